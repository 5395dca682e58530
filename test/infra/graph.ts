/** What the stacks would make, as data: how it is got, and how it is looked at. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { promisify } from "node:util";

/** A resource with what it is made from. */
export interface Resource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  protect: boolean;
  retainOnDelete: boolean;
}

/** Everything that would be made. */
export interface Graph {
  /** What the configuration says of the app. */
  app: Record<string, unknown>;
  resources: Resource[];
}

/** A fault planted into a source file. */
export interface Change {
  /** Relative to the project. */
  file: string;
  /** What is replaced where it first stands. */
  from: RegExp;
  to: string;
}

/** What is run. */
export interface Run {
  stage: string;
  /** As `sst dev` does. */
  dev?: boolean;
  change?: Change;
  environment?: Record<string, string | undefined>;
}

export const REGION = "eu-west-1";
export const ACCOUNT = "123456789012";

const ROOT = resolve(import.meta.dirname, "../..");
const RESULTS = join(ROOT, ".sst/graphs");

/** SST's components, as `npm run infra:install` puts them there. */
export const PLATFORM = join(ROOT, ".sst/platform");

/** How Pulumi marks a value that is secret. */
const SECRET = "4dabf18193072939515e22adb298388d";

let runs = 0;

/**
 * Runs the stacks.
 *
 * @throws Error with what the run printed, where it fails
 */
export async function synthesize({ stage, dev = false, change, environment = {} }: Run): Promise<Graph> {
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${stage}-${process.pid}-${++runs}.json`);
  const given = change === undefined ? [] : [change.file, change.from.source, change.from.flags, change.to];
  try {
    await promisify(execFile)(process.execPath, [join(import.meta.dirname, "synthesize.ts"), stage, file, ...given], {
      env: { PATH: process.env.PATH, SYNTHESIZE_DEV: `${dev}`, SST_AWS_REGION: REGION, ...environment },
    });
    return JSON.parse(readFileSync(file, "utf8"), (_, value) =>
      typeof value === "object" && value !== null && SECRET in value ? value.value : value,
    ) as Graph;
  } finally {
    const { program, work } = placesOf(file);
    for (const left of [file, program, work]) rmSync(left, { recursive: true, force: true });
  }
}

/** Where a run puts what it makes on the way, by the file of its result. */
export const placesOf = (resultFile: string) => ({
  // Beside SST's own packages, which it loads.
  program: join(PLATFORM, `synthesized.${basename(resultFile, ".json")}.mjs`),
  work: resultFile.replace(/\.json$/, ""),
});

/** What ARNs of a type name the resource by. */
const ARNS: Record<string, (name: string) => string> = {
  "aws:dynamodb/table:Table": (name) => `dynamodb:${REGION}:${ACCOUNT}:table/${name}`,
  "aws:lambda/function:Function": (name) => `lambda:${REGION}:${ACCOUNT}:function:${name}`,
  "aws:sqs/queue:Queue": (name) => `sqs:${REGION}:${ACCOUNT}:${name}`,
  "aws:sns/topic:Topic": (name) => `sns:${REGION}:${ACCOUNT}:${name}`,
  "aws:kms/key:Key": (name) => `kms:${REGION}:${ACCOUNT}:key/${name}`,
  "aws:iam/role:Role": (name) => `iam::${ACCOUNT}:role/${name}`,
  "aws:cloudwatch/logGroup:LogGroup": (name) => `logs:${REGION}:${ACCOUNT}:log-group:${name}`,
};

/** The ARN of a resource. */
export const arnOf = (type: string, name: string): string =>
  `arn:aws:${(ARNS[type] ?? ((each: string) => `mock:${REGION}:${ACCOUNT}:${type.split(":").at(-1)}/${each}`))(name)}`;

/** What AWS would tell of a resource it made, as far as others are made from it. */
export function outputsOf(type: string, name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const called = typeof inputs.name === "string" ? inputs.name : name;
  const arn = arnOf(type, called);
  return {
    ...inputs,
    name: called,
    arn,
    ...(type === "aws:dynamodb/table:Table" ? { streamArn: `${arn}/stream/2026-01-01T00:00:00.000` } : {}),
    ...(type === "aws:lambda/function:Function" ? { qualifiedArn: `${arn}:1`, invokeArn: arn, version: "1" } : {}),
    ...(type === "aws:apigatewayv2/api:Api"
      ? { apiEndpoint: "https://api.example.test", executionArn: `arn:aws:execute-api:${REGION}:${ACCOUNT}:api` }
      : {}),
    ...(type === "aws:acm/certificate:Certificate"
      ? {
          domainValidationOptions: [
            {
              domainName: inputs.domainName,
              resourceRecordName: "_proof",
              resourceRecordType: "CNAME",
              resourceRecordValue: "_proof",
            },
          ],
        }
      : {}),
    ...(type === "aws:apigatewayv2/domainName:DomainName"
      ? { domainNameConfiguration: { targetDomainName: "d-api.example.test", hostedZoneId: "Z1" } }
      : {}),
    ...(type.startsWith("random:") ? { base64: Buffer.alloc(32).toString("base64") } : {}),
  };
}

interface PolicyStatement {
  effect?: string;
  actions?: string[];
  resources?: string[];
  principals?: unknown;
  conditions?: { test: string; variable: string; values: string[] }[];
}

/** What AWS would answer to a question of a program. */
export function answerTo(token: string, inputs: Record<string, unknown>): Record<string, unknown> {
  if (token === "aws:iam/getPolicyDocument:getPolicyDocument") {
    const statements = inputs.statements as PolicyStatement[] | undefined;
    const Statement = (statements ?? []).map(({ effect = "Allow", actions, resources, principals, conditions }) => ({
      Effect: effect,
      Action: actions,
      Resource: resources,
      Principal: principals,
      Condition: conditions,
    }));
    return { statements, json: JSON.stringify({ Version: "2012-10-17", Statement }) };
  }
  const known: Record<string, Record<string, unknown>> = {
    "aws:index/getPartition:getPartition": { partition: "aws" },
    "aws:index/getRegion:getRegion": { region: REGION, name: REGION },
    "aws:index/getCallerIdentity:getCallerIdentity": { accountId: ACCOUNT },
  };
  const value = known[token];
  if (value === undefined) throw new Error(`nobody answers ${token} here`);
  return value;
}
