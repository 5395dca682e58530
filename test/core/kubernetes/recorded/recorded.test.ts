import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createCredentials } from "#core/kubernetes/credentials.ts";
import { parseKubeconfig } from "#core/kubernetes/kubeconfig.ts";
import { createTransport, type Transport } from "#core/kubernetes/transport.ts";
import { at, isMap, type Json } from "#test/support/kubernetes/json.ts";
import type { Schema } from "#test/support/kubernetes/schema.ts";
import { startKubernetesServer } from "#test/support/kubernetes-server.ts";
import { type Step, steps } from "./steps.ts";

/** Answers of Kubernetes 1.34.4 with the CRDs and webhooks of Cluster API 1.14.2 and its providers. */
const FILE = join(import.meta.dirname, "answers.json");

/** Kubeconfig of a real management cluster whose responses are recorded; unset to compare the test server with them. */
const { RECORD_KUBECONFIG } = process.env;

const text: Schema = { type: "string" };
const objectOf = (properties: Record<string, Schema>): Schema => ({ type: "object", properties });
/** The parts of the CRD that the steps use. */
const DevCluster = objectOf({
  spec: objectOf({
    backend: objectOf({ inMemory: objectOf({}) }),
    controlPlaneEndpoint: objectOf({ host: text, port: { type: "integer" } }),
  }),
  status: objectOf({ initialization: objectOf({ provisioned: { type: "boolean" } }) }),
});

/** Lists the fields in `fieldsV1` that have a value: others say who made a map. */
function fieldsIn(fields: Json, object: unknown, path: string[] = []): string[] {
  return Object.entries(fields).flatMap(([name, child]) => {
    if (name === ".") return [];
    const here = [...path, name];
    if (isMap(child) && Object.keys(child).some((each) => each !== ".")) return fieldsIn(child, object, here);
    const value = at(object, ...here.map((part) => part.replace(/^f:/, "")));
    return isMap(value) && Object.keys(value).length > 0 ? [] : [here.join(" ").replace(/"[0-9a-f-]{36}/, '"uid')];
  });
}

/** Reduces an object to what callers can depend on. */
function essentials(object: Json, previousVersion: unknown): Json {
  const { metadata, kind, apiVersion, ...rest } = object as Json & { metadata: Json };
  const { labels, annotations, finalizers, generation, deletionTimestamp, resourceVersion, managedFields } = metadata;
  const owners = (managedFields ?? []) as Json[];
  return {
    kind,
    ...rest,
    metadata: { labels, annotations, finalizers, generation, isBeingDeleted: deletionTimestamp !== undefined },
    isUnchanged: previousVersion === undefined ? undefined : previousVersion === resourceVersion,
    owners: owners
      .map(({ manager, operation, subresource, fieldsV1 }) =>
        [manager, operation, subresource ?? "", ...fieldsIn(fieldsV1 as Json, object).sort()].join(" | "),
      )
      .sort(),
  };
}

function summaryOf(status: number, body: string, namespace: string, previousVersion: unknown): Json {
  if (!body.startsWith("{")) return { status, body };
  const json = JSON.parse(body) as Json;
  const message = String(json.message)
    .replaceAll(namespace, "{NS}")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{uid}")
    .replaceAll(/record \(\d+\)/g, "record ({version})")
    // Webhooks repeat the whole object.
    .replace(/^(admission webhook ".*?" denied the request: .*?: Invalid value: ).*$/s, "$1…");
  const { causes, name, ...details } = (json.details ?? {}) as Json;
  if (json.kind === "Status" && json.status === "Failure") {
    return { status, reason: json.reason, message, details: { ...details, name: name === namespace ? "{NS}" : name } };
  }
  if (json.kind === "Status")
    return { status, success: { ...details, uid: undefined, name: name === namespace ? "{NS}" : name } };
  if (Array.isArray(json.items)) {
    const names = json.items.map((item) => at(item, "metadata", "name"));
    return { status, kind: json.kind, names, hasMore: Boolean(at(json, "metadata", "continue")) };
  }
  const summary = essentials(json, previousVersion);
  return JSON.parse(
    JSON.stringify({ status, ...summary })
      .replaceAll(namespace, "{NS}")
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{uid}"),
  );
}

async function run(transport: Transport, settleMs: number): Promise<Record<string, Json>> {
  const namespace = `recorded-${randomBytes(4).toString("hex")}`;
  const uids = new Map<string, string>();
  const versions = new Map<string, unknown>();
  const answers: Record<string, Json> = {};
  const fill = (value: string) =>
    value.replaceAll("{NS}", namespace).replaceAll(/\{uid:([^}]*)\}/g, (_, title: string) => uids.get(title) ?? "");
  const send = ({ method, path, body, mediaType = "application/json" }: Step) =>
    transport.send(
      {
        method,
        path: fill(path),
        ...(body === undefined ? {} : { body: { type: mediaType, text: fill(JSON.stringify(body)) } }),
      },
      new AbortController().signal,
      10_000,
    );
  for (const step of steps) {
    if (step.settles === true) await sleep(settleMs);
    const { status, body } = await send(step);
    const [place = ""] = fill(step.path)
      .replace(/\/status\?/, "?")
      .split("?");
    answers[step.title] = summaryOf(status, body, namespace, versions.get(place));
    const metadata = body.startsWith("{") ? at(JSON.parse(body), "metadata") : undefined;
    uids.set(step.title, String(at(metadata, "uid")));
    if (!step.path.includes("dryRun") && at(metadata, "uid") !== undefined)
      versions.set(place, at(metadata, "resourceVersion"));
  }
  return JSON.parse(JSON.stringify(answers));
}

test.runIf(RECORD_KUBECONFIG !== undefined)(
  "the responses of a real API server are recorded",
  { timeout: 180_000 },
  async () => {
    const access = parseKubeconfig(readFileSync(RECORD_KUBECONFIG ?? "", "utf8"));
    const options = { clock: () => new Date(), environment: {}, commandTimeoutMs: 1_000 };
    const transport = createTransport(access, createCredentials(access.credential, options), 1);
    const answers = await run(transport, 12_000);
    transport.close();
    writeFileSync(FILE, `${JSON.stringify(answers, null, 2)}\n`);
  },
);

test("the test server answers every recorded request as the real API server did", async () => {
  const server = await startKubernetesServer({ schemas: new Map([["DevCluster", DevCluster]]) });
  const access = parseKubeconfig(server.kubeconfig());
  const options = { clock: () => new Date(), environment: {}, commandTimeoutMs: 1_000 };
  const transport = createTransport(access, createCredentials(access.credential, options), 1);
  const answers = await run(transport, 0);
  transport.close();
  await server.stop();
  const recorded = JSON.parse(readFileSync(FILE, "utf8"));
  expect(Object.keys(answers)).toEqual(steps.map(({ title }) => title));
  expect(answers).toEqual(recorded);
});
