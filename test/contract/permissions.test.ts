import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCertificateAuthority } from "#core/cluster-access/certificate-authority.ts";
import { buildChunkItem } from "#core/listing/page-index.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { findDue, reconcileAll } from "#core/provisioning/work-queue.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { dueShard, pointerKey, secretKey, totalKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { type RouteGroup, routeGroups } from "#functions/api/route-groups.ts";
import { routeRows, servedRows } from "#functions/api/routes.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { allowed, as, done, grants, operationAt, permitted } from "#test/support/permissions.ts";
import type { Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;

beforeAll(async () => {
  // Small buckets split soon.
  world = await makeConfiguredWorld({ pageIndex: { bucket: 2, chunk: 2 } });
  tenant = await world.tenant();
});
afterAll(() => world.stop());

const shapeOf = (path: string) => path.replaceAll(/\{\w+\}/g, "{}");

describe("the gateway's routes", () => {
  test("the gateway routes every path of the table to the function that serves it", () => {
    for (const [name, { paths }] of Object.entries<RouteGroup>(routeGroups)) {
      const served = new Set(servedRows.filter(({ group }) => group === name).map(({ path }) => shapeOf(path)));
      expect(new Set(paths.map(shapeOf))).toEqual(served);
      // The gateway refuses two routes of one shape.
      expect(paths).toHaveLength(served.size);
    }
  });

  test("no function has more paths than its policy on AWS has room for", () => {
    // Each path is a statement of about 400 bytes in the policy of its function, which has at most 20 KiB.
    for (const [name, { paths }] of Object.entries<RouteGroup>(routeGroups)) {
      expect(paths.length, name).toBeLessThanOrEqual(50);
    }
  });

  test("no path is routed to two functions", () => {
    const shapes = Object.values<RouteGroup>(routeGroups).flatMap(({ paths }) => paths.map(shapeOf));
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  test("a path variable has one name in all gateway paths that begin alike", () => {
    const nameAt = new Map<string, string>();
    for (const path of Object.values<RouteGroup>(routeGroups).flatMap(({ paths }) => paths)) {
      const segments = path.split("/");
      for (const [position, segment] of segments.entries()) {
        if (!segment.startsWith("{")) continue;
        const before = segments.slice(0, position).join("/");
        expect(nameAt.get(before) ?? segment, path).toBe(segment);
        nameAt.set(before, segment);
      }
    }
    expect(nameAt.size).toBeGreaterThan(5);
  });
});

async function send(method: string, path: string, body?: unknown) {
  const response = await world.send(method, path, { token: tenant.admin, body });
  expect(response.status, `${method} ${path}: ${response.text}`).toBeLessThan(300);
  return response.body;
}

/** Reconciles a cluster as if the stream had triggered the reconciler, until no work is left. */
async function onStream(identity: string): Promise<void> {
  for (let round = 0; round < 6; round++) {
    await as("ReconcileStream", () => reconcileAll(world.reconciler, [identity], 4));
    world.advanceClock(60_000);
  }
}

/** Adds an item to a cluster's partition just before the cluster's deletion completes, and reconciles once more. */
async function comeLate(identity: string): Promise<void> {
  const transaction = new Transaction()
    .create("late", { ...secretKey(identity, "LATE") })
    .update("pointer", pointerKey(identity), "SET #duePk = :shard, #dueAt = :now", {
      values: { ":shard": dueShard(identity), ":now": world.services.clock().toISOString() },
    });
  expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
}

/** Calls once every operation that accesses the data in a way that no earlier call did. */
async function live(): Promise<void> {
  const production = tenant.path("production");
  const cluster = tenant.path("production", "one");
  const { identity } = await send(
    "POST",
    production,
    tenant.creation({ nodePools: [{ name: "a", nodeSize: "t3.medium" }] }),
  );
  const gone = await send("POST", production, tenant.creation({ name: "gone" }));
  for (const name of ["two", "three", "four", "five"]) await send("POST", production, tenant.creation({ name }));
  await onStream(identity);
  await as("ReconcileSchedule", () => findDue(world.reconciler));
  await world.settle();
  await send("PATCH", tenant.path("production", "gone"), { status: "deleting" });
  await onStream(gone.identity);
  await comeLate(gone.identity);
  await onStream(gone.identity);
  for (const query of ["", "?pageSize=2", "?sort=name", "?show-compute=true&includeDetails=true"]) {
    await send("GET", `${tenant.path()}${query}`);
    await send("GET", `${production}${query}`);
  }
  for (const rest of [
    "",
    "?includeDetails=true",
    "/events",
    "/upgrades",
    "/oidc-config",
    "/kubeconfig",
    "/join-config",
    "/pools",
  ]) {
    await send("GET", `${cluster}${rest}`);
  }
  const upgrades = `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;
  const upgrade = { clusterIdentity: identity, version: "v1.35.1-u-ame.1" };
  await send("POST", `${upgrades}?dryRun=true`, upgrade);
  for (let round = 0; round < 6; round++) await send("POST", upgrades, upgrade);
  const newest = (await send("GET", upgrades)).content.at(-1);
  await send("GET", `${upgrades}/${newest.identity}`);
  await send("DELETE", `${upgrades}/${newest.identity}`);
  await send("PATCH", cluster, { name: "renamed" });
  await send("PATCH", `${cluster}?dryRun=true`, { name: "again" });
  await send("PATCH", tenant.path("production", "five"), { environmentSlug: "staging" });
  await send("POST", `${cluster}/prometheus-rules-inheritance?dryRun=true`, { environmentPrometheusRules: false });
  await send("POST", `${cluster}/prometheus-rules-inheritance`, { environmentPrometheusRules: false });
  const { id } = await send("POST", `${cluster}/pools`, { name: "b", nodeSize: "t3.medium" });
  await send("GET", `${cluster}/pools/${id}`);
  await send("POST", `${cluster}/pools/${id}/join-config`);
  await send("GET", `${cluster}/pools/${id}/join-config`);
  await send("PUT", `${cluster}/pools/${id}`, { maxSize: 3 });
  await send("DELETE", `${cluster}/pools/${id}`);
  await send("POST", `${tenant.path("two")}/move`, { currentEnvironment: "production", newEnvironment: "staging" });
  const three = await send("PATCH", tenant.path("production", "three"), { status: "deleting" });
  await world.settle();
  await comeLate(three.identity);
  await world.settle();
  await send("POST", `${tenant.path("production", "three")}/undelete`, {});
  await changeOrganisation();
  await observe();
  await joinWithApiServer();
  for (const path of ["/healthz", "/readyz"]) await send("GET", path);
  for (const { path } of routeRows.filter(({ group }) => group === "References")) {
    const values: Record<string, string> = {
      organisation: tenant.slug,
      environment: "production",
      account: tenant.account.identity,
      schedule: tenant.schedule.identity,
      provider: "aws",
      region: "eu-west-1",
    };
    await send(
      "GET",
      path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? name),
    );
  }
}

/** Issues join configurations of a cluster with an API server, whose tokens are encrypted until the reconciler creates them. */
async function joinWithApiServer(): Promise<void> {
  const provisioner = { ...simulatedTraits, hasApiServers: true };
  const { certificate } = await createCertificateAuthority("another", world.services.clock());
  const other = await makeConfiguredWorld({
    provisioner,
    extend: (simulated) => ({
      ...simulated,
      ...provisioner,
      async observe(target, signal) {
        const seen = await simulated.observe(target, signal);
        return seen?.endpoint === undefined ? seen : { ...seen, certificateAuthority: certificate };
      },
    }),
  });
  const { admin: token, path, creation } = await other.tenant();
  const body = creation({ nodePools: [{ name: "a", nodeSize: "t3.medium" }] });
  expect((await other.send("POST", path("production"), { token, body })).status).toBe(200);
  await other.settle();
  const [{ id }] = (await other.send("GET", `${path("production", "one")}/pools`, { token })).body;
  for (const [method, rest] of [
    ["GET", ""],
    ["GET", `/pools/${id}`],
    ["POST", `/pools/${id}`],
  ] as const) {
    const response = await other.send(method, `${path("production", "one")}${rest}/join-config`, { token });
    expect(response.status, response.text).toBe(200);
  }
  await other.settle();
  await other.stop();
}

/** Calls every operation on the organisation once. */
async function changeOrganisation(): Promise<void> {
  const environments = `/api/v1/orgs/${tenant.slug}/environments`;
  const made = await send("POST", environments, { name: "spare" });
  await send("PATCH", `${environments}/spare`, { purpose: "to be deleted" });
  for (const path of [environments, `${environments}/spare`, `/api/v1/organisations/${tenant.slug}/events`]) {
    await send("GET", path);
  }
  await changeMembers(environments);
  // More chunks of the page index than one transaction can delete.
  for (const prefix of ["a", "b"]) {
    const chunks = new Transaction();
    for (let number = 100; number < 170; number++) {
      const bound = `${prefix}${number}`;
      const buckets = [{ id: bound, bound, n: 0, v: 0 }];
      chunks.put("index", buildChunkItem(tenant.slug, { slug: "spare", identity: made.identity }, bound, buckets));
    }
    expect(await commit(world.table, chunks, deadlineIn())).toEqual([]);
  }
  await send("DELETE", `${environments}/spare`);
  await changeReferences();
}

/** Calls every operation on schedules, cloud accounts and credentials once. */
async function changeReferences(): Promise<void> {
  const schedules = `/api/v1/organisations/${tenant.slug}/maintenance-schedule`;
  const schedule = `${schedules}/${(await send("POST", schedules, { name: "spare" })).identity}`;
  await send("PATCH", schedule, { name: "other" });
  await send("GET", schedules);
  await send("GET", schedule);
  await send("DELETE", schedule);
  const accounts = `/api/v1/orgs/${tenant.slug}/cloud-accounts`;
  const { cloudProfile } = tenant.account;
  const account = `${accounts}/${(await send("POST", accounts, { displayName: "spare", cloudProfile })).identity}`;
  await send("PATCH", account, { enabled: false });
  await send("GET", accounts);
  await send("GET", account);
  const credentials = { accessKeyId: "id of permissions", accessKeySecret: "secret of permissions" };
  const made = await send("POST", `${account}/credentials/aws`, { displayName: "spare", credentials });
  await send("GET", `${account}/credentials`);
  await send("GET", `${account}/credentials/${made.identity}`);
  await send("PUT", `${account}/credentials/${made.identity}`, { credentials });
  await send("DELETE", `${account}/credentials/${made.identity}`);
  await send("DELETE", account);
}

/** Calls every operation on observability tenants once. */
async function observe(): Promise<void> {
  const organisation = `/api/v1/orgs/${tenant.slug}`;
  const web = `${organisation}/monitoring/web`;
  const silences = `${organisation}/observability/web/silences`;
  await send("POST", `${organisation}/monitoring`, { name: "web" });
  await send("PATCH", web, { name: "Web" });
  await send("POST", `${web}/alertmanager`, { ruleFiles: { "a.yaml": "" } });
  const matchers = [{ name: "a", value: "b" }];
  const { id } = await send("POST", silences, { comment: "c", endsAt: "2099-01-01T00:00:00Z", matchers });
  for (const path of [web, `${web}/alertmanager`, silences, `${organisation}/alerts`, `${organisation}/alerts/web`]) {
    await send("GET", path);
  }
  await send("GET", `${organisation}/monitoring`);
  await send("DELETE", `${silences}/${id}`);
  await send("DELETE", web);
}

/** Makes the counters of the organisation those of an earlier release, which did not count admins. */
async function forgetAdmins(): Promise<void> {
  const forgotten = new Transaction().update("total", totalKey(tenant.slug), "REMOVE #admins");
  expect(await commit(world.table, forgotten, deadlineIn())).toEqual([]);
}

/** Calls every operation on members and tokens once. @param environments path of the environments */
async function changeMembers(environments: string): Promise<void> {
  const organisation = `/api/v1/organisations/${tenant.slug}`;
  const { memberIdentity } = await send("POST", `${organisation}/members`, { email: "eve@b", role: "viewer" });
  const member = `${organisation}/members/${memberIdentity}`;
  await forgetAdmins();
  await send("PATCH", member, { role: "admin" });
  await send("POST", `${environments}/staging/members/${memberIdentity}`, { role: "none" });
  await send("DELETE", `${environments}/staging/members/${memberIdentity}`);
  for (const path of [member, `${organisation}/members`, `${organisation}/me`, `${environments}/staging/members`]) {
    await send("GET", path);
  }
  await forgetAdmins();
  await send("DELETE", member);
  await send("POST", "/api/v1/tokens", { name: "one" });
  const { identity } = await send("POST", "/api/v1/tokens", { name: "two" });
  await send("GET", "/api/v1/tokens");
  await send("DELETE", `/api/v1/tokens/${identity}`);
}

test("every function uses all of its permissions and no others", { timeout: 60_000 }, async () => {
  await live();
  const used = Object.fromEntries([...done].map(([name, actions]) => [name, [...actions].sort()]));
  const given = Object.entries(grants).map(([name, grant]): [string, string[]] => [name, allowed(grant).sort()]);
  expect(used).toEqual(Object.fromEntries(given.filter(([, actions]) => actions.length > 0)));
});

describe("an operation that calls the database without permission", () => {
  test("a call without permission is refused as on AWS, and the test that made it fails", async () => {
    const reading = as("getClusterUpgrades", () => world.table.scan().next());
    await expect(reading).rejects.toThrow(/getClusterUpgrades may not Scan/);
    const keyring = permitted(world.keyring, world.table.name);
    const sealing = () => keyring.generate({ table: world.table.name }).catch(() => undefined);
    await expect(as("getClusterKubeconfig", sealing)).rejects.toThrow(
      /getClusterKubeconfig may not kms:GenerateDataKey/,
    );
    const opening = () => keyring.unwrap({ wrappedBy: "", ciphertext: "" }, {}).catch(() => undefined);
    await expect(as("getClusterKubeconfig", opening)).rejects.toThrow(
      /getClusterKubeconfig may not kms:Decrypt without a table/,
    );
  });

  test("a request is mapped to its operation by method and path", () => {
    expect(operationAt("DELETE", `${tenant.path("production", "one")}/pools/3?dryRun=true`)).toBe("deleteNodePool");
    expect(operationAt("POST", `${tenant.path("one")}/move`)).toBe("moveCluster");
    expect(operationAt("GET", "/api/v2")).toBe("none");
  });
});
