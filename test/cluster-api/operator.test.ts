/** The operator's check of the provisioner against a real API server, with permissions of a user. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { parse, stringify } from "yaml";
import { runAdmin } from "#test/support/admin.ts";
import { createTestCluster, makeClusterApiWorld } from "#test/support/cluster-api/world.ts";
import { addKnownSecrets, expectNoSecrets } from "#test/support/secrets.ts";
import { makeWorld, type World } from "#test/support/world.ts";
import { createNamespace, kubeconfigPath, managementCluster } from "./lab.ts";
import { NONE_PROFILES } from "./profiles.ts";

const RBAC = "rbac.authorization.k8s.io/v1";

const folder = mkdtempSync(join(tmpdir(), "operator-"));
let world: World;
let namespace: string;

beforeAll(async () => {
  world = await makeWorld();
  namespace = await createNamespace();
  writeFileSync(join(folder, "profiles.json"), JSON.stringify({ providers: { none: {} } }));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function check(kubeconfig: string) {
  const environment = {
    DYNAMODB_ENDPOINT: inject("endpoint"),
    TABLE_NAME: world.table.name,
    PROVISIONER: "cluster-api",
    CLUSTER_API_PROFILES: join(folder, "profiles.json"),
    CLUSTER_API_KUBECONFIG: kubeconfig,
  };
  const { code, stdout, stderr } = await runAdmin(environment, "provisioner", "check");
  expectNoSecrets(stdout + stderr, "the output");
  return { code, stdout, stderr, problems: [...stdout.matchAll(/^- (.*)$/gm)].map(([, problem = ""]) => problem) };
}

/** Creates a user without permissions. @returns the path of its kubeconfig */
async function createUser(name: string): Promise<string> {
  const server = managementCluster();
  await server.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3_600 } };
  const { status, body } = await server.request("POST", path, { body: request });
  expect(status, JSON.stringify(body)).toBe(201);
  addKnownSecrets(body.status.token);
  const { users: _, ...kubeconfig } = parse(readFileSync(kubeconfigPath(), "utf8"));
  const file = join(folder, name);
  const user = { name: kubeconfig.contexts[0].context.user, user: { token: body.status.token } };
  writeFileSync(file, stringify({ ...kubeconfig, users: [user] }));
  return file;
}

test("the check of a complete management cluster finds no problem", async () => {
  const { code, stdout, stderr, problems } = await check(kubeconfigPath());
  // Clusters of other test files are not in this table.
  expect(problems.filter((each) => !each.startsWith("clusters: "))).toEqual([]);
  expect([code === 0, stderr]).toEqual([problems.length === 0, ""]);
  expect(stdout).toMatch(/^The management cluster answers: Kubernetes v1\.\d+\.\d+\.$/m);
  expect(stdout).toMatch(/^none +DevCluster +v1beta2 +v1beta2, v1beta1 +v1beta2 +ok$/m);
});

test("a user with the rules that the check prints can build and delete a cluster", async () => {
  const kubeconfig = await createUser("provisioner");
  const before = await check(kubeconfig);
  const rules = before.problems.map((problem) =>
    JSON.parse(/Add to a ClusterRole of the user: (\{.*\})\.$/.exec(problem)?.[1] ?? ""),
  );
  expect(rules.length).toBeGreaterThan(10);
  expect([before.code, before.stdout.includes("Clusters were not compared.")]).toEqual([1, true]);
  const role = { apiVersion: RBAC, kind: "ClusterRole", metadata: { name: namespace }, rules };
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace };
  const subjects = [{ kind: "ServiceAccount", name: "provisioner", namespace }];
  const binding = { apiVersion: RBAC, kind: "ClusterRoleBinding", metadata: { name: namespace }, roleRef, subjects };
  for (const object of [role, binding]) await managementCluster().apply(object);
  const after = await check(kubeconfig);
  expect(after.problems.filter((each) => !each.startsWith("clusters: "))).toEqual([]);
  await runLifecycle(readFileSync(kubeconfig, "utf8"));
});

/** Takes a cluster through its lifecycle. @param kubeconfig content of the kubeconfig */
async function runLifecycle(kubeconfig: string): Promise<void> {
  const managed = await makeClusterApiWorld(kubeconfig, NONE_PROFILES);
  const stop = managed.startWorker();
  try {
    const nodePools = [{ name: "web", nodeSize: "small", minSize: 1 }];
    const cluster = await createTestCluster(managed, "none", { region: "region-1", nodePools });
    await cluster.until("started", ({ status }) => status === "started");
    await cluster.remove();
    await cluster.untilDeleted();
  } finally {
    await stop();
    managed.client.close();
  }
}
