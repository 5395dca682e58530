/** Returns the resources that the stacks would create, as data. */

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { promisify } from "node:util";

/** Resource with its inputs. */
export interface Resource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  protect: boolean;
  retainOnDelete: boolean;
}

/** All resources that would be created. */
export interface Graph {
  /** Configuration of the app. */
  app: Record<string, unknown>;
  resources: Resource[];
}

/** Fault planted into a source file. */
export interface Change {
  /** Relative to the project. */
  file: string;
  /** Text whose first occurrence is replaced. */
  from: RegExp;
  to: string;
}

/** Options of a run. */
export interface Run {
  stage: string;
  /** Like `sst dev`. */
  dev?: boolean;
  change?: Change;
  environment?: Record<string, string | undefined>;
}

export const REGION = "eu-west-1";
export const ACCOUNT = "123456789012";

const ROOT = resolve(import.meta.dirname, "../..");
const RESULTS = join(ROOT, ".sst/graphs");

/** SST's components, as `npm run infra:install` installs them. */
export const PLATFORM = join(ROOT, ".sst/platform");

/** Pulumi's mark of a secret value. */
const SECRET = "4dabf18193072939515e22adb298388d";

let runs = 0;

/**
 * Runs the stacks.
 *
 * @throws Error with the output of the run if it fails
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

/** Returns the folder for intermediate files of a run, by its result file. */
export const placesOf = (resultFile: string) => ({
  // Next to SST's own packages, which it loads.
  program: join(PLATFORM, `synthesized.${basename(resultFile, ".json")}.mjs`),
  work: resultFile.replace(/\.json$/, ""),
});

/** Names of resource types in ARNs. */
const ARNS: Record<string, (name: string) => string> = {
  "aws:dynamodb/table:Table": (name) => `dynamodb:${REGION}:${ACCOUNT}:table/${name}`,
  "aws:lambda/function:Function": (name) => `lambda:${REGION}:${ACCOUNT}:function:${name}`,
  "aws:sqs/queue:Queue": (name) => `sqs:${REGION}:${ACCOUNT}:${name}`,
  "aws:sns/topic:Topic": (name) => `sns:${REGION}:${ACCOUNT}:${name}`,
  "aws:kms/key:Key": (name) => `kms:${REGION}:${ACCOUNT}:key/${name}`,
  "aws:iam/role:Role": (name) => `iam::${ACCOUNT}:role/${name}`,
  "aws:secretsmanager/secret:Secret": (name) => `secretsmanager:${REGION}:${ACCOUNT}:secret:${name}-AbCdEf`,
  "aws:cloudwatch/logGroup:LogGroup": (name) => `logs:${REGION}:${ACCOUNT}:log-group:${name}`,
};

/** Returns the ARN of a resource. */
export const arnOf = (type: string, name: string): string =>
  `arn:aws:${(ARNS[type] ?? ((each: string) => `mock:${REGION}:${ACCOUNT}:${type.split(":").at(-1)}/${each}`))(name)}`;

/** Outputs that AWS would return for a created resource, as far as other resources use them. */
export function outputsOf(type: string, name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const called = typeof inputs.name === "string" ? inputs.name : name;
  const arn = arnOf(type, called);
  return {
    ...inputs,
    name: called,
    arn,
    ...(type === "aws:dynamodb/table:Table" ? { streamArn: `${arn}/stream/2026-01-01T00:00:00.000` } : {}),
    ...(type === "aws:lambda/function:Function" ? { qualifiedArn: `${arn}:1`, invokeArn: arn, version: "1" } : {}),
    ...(type === "aws:secretsmanager/secretVersion:SecretVersion" ? { versionId: "version-1" } : {}),
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

/** Returns AWS's response to a program's query. */
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
  if (value === undefined) throw new Error(`no mocked response for ${token}`);
  return value;
}
