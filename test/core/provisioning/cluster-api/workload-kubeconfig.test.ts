/** Kubeconfigs of workload clusters that another user wrote into the management cluster. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resourceOf } from "#core/kubernetes/resources.ts";
import {
  createInMemoryCluster,
  type FakeWorld,
  IN_MEMORY_PROFILES,
  type InMemoryCluster,
  listIn,
  makeFakeWorld,
} from "#test/support/cluster-api/fake-world.ts";
import { base64 } from "#test/support/kubernetes-client.ts";
import type { Json, Tenant } from "#test/support/world.ts";

const folder = mkdtempSync(join(tmpdir(), "workload-"));
const tokenFile = join(folder, "token");
const ran = join(folder, "ran");
const SECRET = { apiVersion: "v1", kind: "Secret" };

let world: FakeWorld;
let tenant: Tenant;

beforeAll(async () => {
  // The API servers accept this token.
  writeFileSync(tokenFile, "token");
  writeFileSync(join(folder, "command.mjs"), `import fs from "node:fs"; fs.writeFileSync(${JSON.stringify(ran)}, "");`);
  world = await makeFakeWorld(IN_MEMORY_PROFILES);
  tenant = await world.tenant();
});
afterAll(async () => {
  await world.stop();
  rmSync(folder, { recursive: true });
});

const users = {
  exec: {
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: [join(folder, "command.mjs")],
      interactiveMode: "Never",
    },
  },
  tokenFile: { tokenFile },
};

/** Replaces the kubeconfig of a cluster in the management cluster, and starts to count calls. */
function replaceKubeconfig(name: string, user: object): void {
  const secret = listIn(world, "v1", "Secret").find(
    ({ metadata }) => metadata.name.startsWith(`${name}-`) && metadata.name.endsWith("-kubeconfig"),
  );
  const { namespace, name: secretName } = secret?.metadata ?? { name: "" };
  const server = `${world.server.url}/workloads/${namespace}/${secretName.replace(/-kubeconfig$/, "")}`;
  const value = base64(world.server.kubeconfig({ ...user }, { server }));
  const edit = (object: Json) => {
    object.data = { value };
  };
  world.server.store.update(resourceOf(SECRET), { namespace, name: secretName }, edit, { manager: "another-user" });
  world.server.reset();
}

const workloadCalls = () => world.server.calls.filter(({ path }) => path.startsWith("/workloads/"));

async function createStarted(name: string): Promise<InMemoryCluster> {
  const cluster = await createInMemoryCluster(world, tenant, { name, nodePools: [] });
  await world.settle(20 * 60_000);
  expect((await cluster.get()).status).toBe("started");
  return cluster;
}

test.each([
  ["exec", "run"],
  ["tokenFile", "file"],
] as const)(
  "a bootstrap token is not created with a kubeconfig with %s: no command runs, no file is sent, and the condition names the property",
  async (property, name) => {
    const cluster = await createStarted(`t-${name}`);
    expect((await cluster.send("GET", "/join-config")).status).toBe(200);
    replaceKubeconfig(`t-${name}`, users[property]);
    await world.settle(60_000);
    expect([workloadCalls(), existsSync(ran)]).toEqual([[], false]);
    const reconciled = (await cluster.get()).conditions.find(({ type }: Json) => type === "Reconciled");
    expect(reconciled.message).toContain(`users[test].${property}: is not supported here`);
  },
);

test.each([
  ["exec", "run"],
  ["tokenFile", "file"],
] as const)(
  "a cluster whose kubeconfig has %s is deleted without its load balancers: no command runs and no file is sent",
  async (property, name) => {
    const cluster = await createStarted(`d-${name}`);
    replaceKubeconfig(`d-${name}`, users[property]);
    await cluster.patch({ status: "deleting" });
    await world.settle(20 * 60_000);
    expect([workloadCalls(), existsSync(ran)]).toEqual([[], false]);
    expect((await cluster.send("GET")).status).toBe(404);
  },
);

test("the kubeconfig of a started cluster as Cluster API wrote it works", async () => {
  const cluster = await createStarted("own");
  world.server.reset();
  expect((await cluster.send("GET", "/join-config")).status).toBe(200);
  await world.settle(60_000);
  expect(workloadCalls().map(({ status }) => status)).toEqual([201]);
});
