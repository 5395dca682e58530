/** Permissions that the check of a management cluster requires, compared with the calls of the provisioner in a lifecycle. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import type { Verb } from "#core/kubernetes/access-review.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import type { TranslatedType } from "#core/provisioning/cluster-api/input.ts";
import { components, needsComponent, requiredAccess } from "#core/provisioning/cluster-api/requirements.ts";
import {
  type ManagedWorld,
  makeManagedWorld,
  PLACES,
  type PlacedProvider,
} from "#test/support/cluster-api/managed-world.ts";
import { targetOf } from "#test/support/kubernetes/kinds.ts";
import type { Call } from "#test/support/kubernetes-server.ts";
import type { Json } from "#test/support/world.ts";

let managed: ManagedWorld;

beforeAll(async () => {
  managed = await makeManagedWorld();
});
beforeEach(() => managed.world.server.reset());
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

const types = Object.keys(PLACES) as PlacedProvider[];

/** Returns the permissions that a call needs. An apply creates what does not exist. */
function verbsOf({ method, path, status }: Call): Verb[] {
  const name = targetOf(path)?.name;
  if (method === "GET") return [name === undefined ? "list" : "get"];
  if (method === "DELETE") return [name === undefined ? "deletecollection" : "delete"];
  if (method === "POST") return ["create"];
  return status === 201 ? ["create", "patch"] : ["patch"];
}

/** Lists the permissions that the calls to the management cluster need, as `verb plural.group`. */
function used(calls: readonly Call[]): Set<string> {
  const own = calls.filter(({ path }) => !path.startsWith("/workloads/") && path !== "/version" && path !== "/readyz");
  return new Set(
    own.flatMap((call) => {
      const { plural, group } = targetOf(call.path)?.resource ?? { plural: call.path, group: "" };
      return verbsOf(call).map((verb) => `${verb} ${plural}.${group}`);
    }),
  );
}

const required = (...given: TranslatedType[]): Set<string> =>
  new Set(
    requiredAccess(given).flatMap(({ kind, verbs }) =>
      verbs.map((verb) => `${verb} ${resourceOf(kind).plural}.${resourceOf(kind).group}`),
    ),
  );

/** Takes a cluster through its lifecycle. @param isChanged true for changes after which unused objects are deleted */
async function runLifecycle(type: PlacedProvider, isChanged: boolean): Promise<void> {
  const { world, tenant, send } = managed;
  const { region, nodeSize } = PLACES[type];
  const account = await managed.account(type);
  const name = `life-${type}`;
  const pool = (poolName: string) => ({ name: poolName, nodeSize, minSize: 2, maxSize: 2 });
  const body = { name, cloudAccountIdentity: account, region, version: "v1.33.4-u-ame.2", cni: "cilium" };
  await managed.create({ ...body, podSecurityStandardsProfile: "baseline", nodePools: [pool("web"), pool("jobs")] });
  const at = (...rest: string[]) => [tenant.path("production", name), ...rest].join("/");
  const succeed = async (method: string, path: string, change?: unknown): Promise<void> => {
    const response = await send(method, path, change);
    expect(response.status, response.text).toBeLessThan(300);
    await world.settle(20 * 60_000);
  };
  await world.settle(20 * 60_000);
  expect((await send("GET", at())).body.status).toBe("started");
  const { body: pools } = await send("GET", at("pools"));
  await succeed("DELETE", at("pools", `${pools[0].id}`));
  if (isChanged) {
    await succeed("PATCH", at(), { version: "v1.34.4-u-ame.2", enableNetworkEncryption: true });
    // The next resync deletes what nothing refers to.
    await world.settle(75 * 60_000);
  }
  await succeed("PATCH", at(), { status: "deleting" });
  expect((await send("GET", at())).status).toBe(404);
}

const without = (one: Set<string>, other: Set<string>): string[] => [...one].filter((each) => !other.has(each)).sort();

/** Permissions for the case that the profile file does not install a network any more, and for the check itself. */
const OTHERS = ["delete clusterresourcesets.addons.cluster.x-k8s.io", "list clusters.cluster.x-k8s.io"];

test.each(types)("the check requires every permission that the lifecycle of a cluster on %s needs", async (type) => {
  await runLifecycle(type, type !== "byon");
  const calls = used(managed.world.server.calls);
  expect(calls.size).toBeGreaterThan(20);
  expect(without(calls, required(type))).toEqual([]);
  // The lives on the other providers do not delete old objects of each kind.
  if (type === "none") expect(without(required(type), calls)).toEqual(OTHERS);
});

test("docs/examples/cluster-api-access.yaml allows exactly what the provisioner and its check need", () => {
  const file = join(import.meta.dirname, "../../../../docs/examples/cluster-api-access.yaml");
  const objects = parseAllDocuments(readFileSync(file, "utf8")).map((document): Json => document.toJS());
  const rules = objects.filter(({ kind }) => kind === "ClusterRole").flatMap((role) => role.rules);
  expect(rules.length).toBeGreaterThan(10);
  const allowed = rules.flatMap(({ apiGroups, resources, verbs }: Record<string, string[]>) =>
    (apiGroups ?? []).flatMap((group) =>
      (resources ?? []).flatMap((plural) => (verbs ?? []).map((verb) => `${verb} ${plural}.${group}`)),
    ),
  );
  const readByCheck = ["get customresourcedefinitions.apiextensions.k8s.io"];
  expect([...new Set(allowed)].sort()).toEqual([...required(...types, "digitalocean"), ...readByCheck].sort());
});

test("each kind that the provisioner writes for a provider belongs to a component", () => {
  for (const type of [...types, "digitalocean"] as const) {
    const known = components
      .filter((component) => needsComponent(type, component))
      .flatMap(({ kinds }) => kinds.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`));
    const written = requiredAccess([type])
      .filter(({ kind, verbs }) => kind.apiVersion !== "v1" && verbs.some((verb) => verb !== "deletecollection"))
      .map(({ kind: { apiVersion, kind } }) => `${apiVersion} ${kind}`);
    expect(written.filter((kind) => !known.includes(kind))).toEqual([]);
  }
});
