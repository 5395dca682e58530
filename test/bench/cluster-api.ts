/**
 * `npm run bench:cluster-api`: measures how long a cluster takes from its creation in the API until it is started, beside the same
 * objects, applied without this service. Needs the lab: `npm run cluster-api:start` prints the path for CLUSTER_API_KUBECONFIG.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseAllDocuments } from "yaml";
import { ApiServer, type KubernetesObject, reference } from "#test/cluster-api/api-server.ts";
import { cleanUp, type Server, script, start, temporary } from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";

/** Number of clusters of each kind, one after the other. */
const ROUNDS = Number(process.env.ROUNDS ?? 3);

/** Pause between two requests, in milliseconds: a tenth of the shortest time that matters. */
const POLL_MS = 500;
const CORE = "cluster.x-k8s.io/v1beta2";

const kubeconfig = process.env.CLUSTER_API_KUBECONFIG;
if (kubeconfig === undefined) {
  process.stderr.write(
    "CLUSTER_API_KUBECONFIG is not set. Start the lab with `npm run cluster-api:start`, and set it to the printed path.\n",
  );
  process.exit(2);
}
const management = new ApiServer(readFileSync(kubeconfig, "utf8"));
const folder = mkdtempSync(join(tmpdir(), "bench-cluster-api-"));
writeFileSync(join(folder, "profiles.yaml"), "providers:\n  none: {}\n");
const environment = {
  DATA_DIR: temporary(),
  LOG_LEVEL: "warn",
  PROVISIONER: "cluster-api",
  CLUSTER_API_PROFILES: join(folder, "profiles.yaml"),
  CLUSTER_API_KUBECONFIG: kubeconfig,
};

/** Waits until a probe returns true. @returns seconds since `began`, from `performance.now()` */
async function secondsUntil(began: number, probe: () => Promise<boolean>): Promise<number> {
  while (!(await probe())) {
    if (performance.now() - began > 600_000) throw new Error("not within 10 minutes");
    await sleep(POLL_MS);
  }
  return (performance.now() - began) / 1_000;
}

async function admin(...words: string[]): Promise<string> {
  const { exited, stdout, stderr } = script("admin", words, environment);
  if ((await exited) !== 0) throw new Error(stderr());
  return stdout();
}

const isTrue = (object: KubernetesObject | undefined, type: string): boolean =>
  object?.status?.conditions?.find((each: Json) => each.type === type)?.status === "True";

/** Creates a cluster with the API. @returns seconds until it is started */
async function createWithApi(server: Server, account: string, name: string): Promise<number> {
  const send = async (method: string, path: string, body?: unknown): Promise<Json> => {
    const response = await fetch(`${server.url}/api/v1/orgs/demo/clusters/production${path}`, {
      method,
      headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(await response.text());
    return await response.json();
  };
  const began = performance.now();
  await send("POST", "", {
    name,
    region: "region-1",
    version: "v1.33.4-u-ame.2",
    cloudAccountIdentity: account,
    cni: "custom",
    nodePools: [
      { name: "web", nodeSize: "small", minSize: 2 },
      { name: "jobs", nodeSize: "small", minSize: 1 },
    ],
  });
  return await secondsUntil(began, async () => (await send("GET", `/${name}`)).status === "started");
}

/** Applies the objects of a cluster in another namespace. @returns seconds until the Cluster and its machines are available */
async function applyObjects(name: string): Promise<number> {
  const printed = await admin("translate", "--org", "demo", "--env", "production", "--cluster", name);
  const namespace = /ame-org-[a-z0-9]+/.exec(printed)?.[0] ?? "";
  const documents = parseAllDocuments(printed.replaceAll(namespace, `${namespace}-copy`));
  const objects = documents.map((document) => document.toJS() as KubernetesObject);
  const cluster = objects.find(({ kind }) => kind === "Cluster");
  if (cluster === undefined) throw new Error(`${name} has no Cluster:\n${printed}`);
  const began = performance.now();
  await management.applyAll(objects);
  const seconds = await secondsUntil(began, async () => {
    const deployments = await management.list(CORE, "MachineDeployment", cluster.metadata.namespace);
    const all = [await management.get(cluster), ...deployments];
    return all.every((each) => isTrue(each, "Available"));
  });
  await management.delete(cluster);
  await secondsUntil(performance.now(), async () => (await management.get(cluster)) === undefined);
  await management.delete(reference("v1", "Namespace", undefined, cluster.metadata.namespace ?? ""));
  return seconds;
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;

try {
  const server = await start(environment);
  const account = (await admin("account", "list", "--org", "demo", "--provider", "none", "--quiet")).trim();
  const taken: { api: number[]; objects: number[] } = { api: [], objects: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const name = `bench-${round}`;
    taken.api.push(await createWithApi(server, account, name));
    taken.objects.push(await applyObjects(name));
    process.stdout.write(
      `round ${round + 1}: API ${taken.api.at(-1)?.toFixed(1)} s, objects alone ${taken.objects.at(-1)?.toFixed(1)} s\n`,
    );
  }
  const [api, objects] = [median(taken.api), median(taken.objects)];
  process.stdout.write(
    `median: API ${api.toFixed(1)} s, objects alone ${objects.toFixed(1)} s, ratio ${(api / objects).toFixed(2)}\n`,
  );
  server.signal("SIGTERM");
  await server.exited;
} finally {
  cleanUp();
  rmSync(folder, { recursive: true });
}
