import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { clusterItemAt } from "#core/cluster/entity.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { RawItem } from "#core/table/entity.ts";
import { usageKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { expectError } from "#test/support/errors.ts";
import { clustersOf, expectInvariants, organisationEventsOf, tombstonesOf } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Whether deletions of clusters need the account. */
let needsCredentials = false;
let world: World;
let tenant: Tenant;
/** Identities of cloud profiles, by the slug of their provider. */
const profiles: Record<string, string> = {};

beforeAll(async () => {
  world = await makeWorld({ provisioner: { ...simulatedTraits, needsCredentials: () => needsCredentials } });
  const { admin, slug } = await world.tenant();
  const list = await world.send("GET", `/api/v1/orgs/${slug}/cloud-profiles`, { token: admin });
  for (const { cloudProvider, identity } of list.body.content) profiles[cloudProvider] = identity;
});

beforeEach(async () => {
  tenant = await world.tenant();
});

const path = (...rest: string[]) => [`/api/v1/orgs/${tenant.slug}/cloud-accounts`, ...rest].join("/");
const own = () => path(tenant.account.identity);
const send = (method: string, to: string, body?: unknown, headers: Record<string, string> = {}, by = world) =>
  by.send(method, to, { token: tenant.admin, body, headers });
const get = (to: string, headers: Record<string, string> = {}) => send("GET", to, undefined, headers);

/** Sends a request that must succeed. */
async function ok(method: string, to: string, body?: unknown): Promise<Json> {
  const response = await send(method, to, body);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

const lastEvent = async () => (await organisationEventsOf(world.services, tenant.slug)).at(-1);

describe("creating a cloud account", () => {
  test("a new account is enabled, has its metadata as sent, its whole profile, an entity tag and its location", async () => {
    const metadata = { tenantId: "a b", parentFolder: "", parentResourcePool: "é", constructor: "c", "x-y.z_1": "1" };
    const body = { displayName: "My OpenStack & more", cloudProfile: profiles.openstack?.toUpperCase(), metadata };
    const response = await send("POST", path(), body);
    expect(response.status, response.text).toBe(200);
    const { identity, cloudProfile } = response.body;
    expect(response.body).toEqual({
      identity,
      displayName: "My OpenStack & more",
      enabled: true,
      metadata,
      cloudProfile,
    });
    expect(cloudProfile).toMatchObject({ identity: profiles.openstack, type: "openstack", cloudProvider: "openstack" });
    expect(response.headers.get("location")).toBe(`http://localhost${path(identity)}`);
    const found = await get(path(identity));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    const listed = (await get(`${path()}?cloud-provider-slug=openstack`)).body.content;
    expect(listed).toEqual([response.body]);
    expect(await lastEvent()).toMatchObject({
      type: "cloud-account.created",
      changes: [
        {
          path: `cloudAccounts[${identity}]`,
          to: { displayName: "My OpenStack & more", cloudProfile: profiles.openstack, enabled: true, metadata },
        },
      ],
    });
    await expectInvariants(world.services, tenant.slug);
  });

  test("a cluster can be created on a new account", async () => {
    const { identity } = await ok("POST", path(), { displayName: "Mine", cloudProfile: profiles.aws, metadata: {} });
    await ok("POST", tenant.path("production"), tenant.creation({ cloudAccountIdentity: identity }));
    await expectInvariants(world.services, tenant.slug);
  });

  test("all problems are reported at once, and nothing is created", async () => {
    const metadata = { tenantId: "x".repeat(161), "a b": "c", ok: 7 };
    const body = { displayName: "a_b", cloudProfile: "aws", metadata };
    const response = await send("POST", `${path()}?dryRun=maybe`, body);
    expect(response.status).toBe(400);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]).toSorted();
    expect(paths).toEqual([
      "cloudProfile",
      "displayName",
      "dryRun",
      "metadata.a b",
      "metadata.ok",
      "metadata.tenantId",
    ]);
    for (const displayName of [undefined, "", "x".repeat(65), " - ", "é"]) {
      const named = { displayName, cloudProfile: profiles.aws };
      expectError(await send("POST", path(), named), 400, /^displayName/);
    }
    for (const cloudProfile of [undefined, "", "0".repeat(65), tenant.account.identity]) {
      expectError(await send("POST", path(), { displayName: "A", cloudProfile }), 400, /^cloudProfile/);
    }
    const many = Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`k${at}`, ""]));
    const full = { displayName: "A", cloudProfile: profiles.aws, metadata: many };
    expectError(await send("POST", path(), full), 400, /^metadata: .*at most 10/);
    expect((await get(path())).body.totalElements).toBe(2);
  });

  test("the profile of a provider that is not available is refused, and existing accounts stay", async () => {
    const { providers, ...rest } = shippedCatalogue;
    const without = providers.map((each) => (each.slug === "hetzner" ? { ...each, available: false } : each));
    const { identity } = await ok("POST", path(), { displayName: "First", cloudProfile: profiles.hetzner });
    useCatalogue({ ...rest, providers: without });
    try {
      const refused = await send("POST", path(), { displayName: "Second", cloudProfile: profiles.hetzner });
      expectError(refused, 400, /^cloudProfile: .* not available for new cloud accounts/);
      expect(await ok("PATCH", path(identity), { displayName: "Renamed" })).toMatchObject({ displayName: "Renamed" });
    } finally {
      useCatalogue(shippedCatalogue);
    }
  });

  test("a name is unique among the accounts of one provider, also for concurrent creations", async () => {
    expectError(await send("POST", path(), { displayName: "AWS", cloudProfile: profiles.aws }), 409, /^displayName/);
    await ok("POST", path(), { displayName: "AWS", cloudProfile: profiles.azure });
    const body = { displayName: "Same", cloudProfile: profiles.aws };
    const all = await Promise.all(Array.from({ length: 5 }, () => send("POST", path(), body, {}, world.sibling())));
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409]);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("changing a cloud account", () => {
  test("a change is returned and stored; Terraform's whole body with an empty primaryCloudCredentials keeps the primary ones", async () => {
    const before = await get(own());
    const body = { displayName: "Renamed", enabled: false, primaryCloudCredentials: "" };
    const response = await send("PATCH", own(), body);
    expect(response.status, response.text).toBe(200);
    expect(response.body).toEqual({ ...before.body, displayName: "Renamed", enabled: false });
    const found = await get(own());
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    expect(found.headers.get("etag")).not.toBe(before.headers.get("etag"));
    const at = `cloudAccounts[${tenant.account.identity}]`;
    expect(await lastEvent()).toMatchObject({
      type: "cloud-account.updated",
      changes: [
        { path: `${at}.displayName`, from: "AWS", to: "Renamed" },
        { path: `${at}.enabled`, from: true, to: false },
      ],
    });
    expectError(await send("POST", tenant.path("production"), tenant.creation()), 400, /"Renamed" is disabled/);
  });

  test("a change to the present values writes nothing", async () => {
    const before = await get(own());
    const { primaryCloudCredentialsIdentity } = before.body;
    for (const body of [
      {},
      { displayName: "AWS", enabled: true, primaryCloudCredentials: primaryCloudCredentialsIdentity.toUpperCase() },
      { displayName: null, enabled: null, primaryCloudCredentials: null },
    ]) {
      world.wire.spans.length = 0;
      expect(await ok("PATCH", own(), body)).toEqual(before.body);
      expect(world.wire.spans.map(({ operation }) => operation)).toEqual(["BatchGetItem"]);
    }
  });

  test("all problems are reported at once, and nothing changes", async () => {
    const before = await get(own());
    const body = { displayName: "", enabled: "yes", primaryCloudCredentials: tenant.account.identity };
    const response = await send("PATCH", own(), body);
    expect([response.status, response.body.details.length]).toEqual([400, 3]);
    expect(response.text).toMatch(
      /primaryCloudCredentials: .* must be the identity of credentials of this cloud account/,
    );
    expect((await get(own())).text).toBe(before.text);
  });

  test("a name of another account of the same provider is refused", async () => {
    const { identity } = await ok("POST", path(), { displayName: "Second", cloudProfile: profiles.aws });
    expectError(await send("PATCH", path(identity), { displayName: "AWS" }), 409, /already has a cloud account "AWS"/);
    await ok("PATCH", path(identity), { displayName: "Own" });
  });

  test("If-Match names the revision; a stale one is refused with the present tag", async () => {
    const tag = (await get(own())).headers.get("etag") ?? "";
    expect((await get(own(), { "if-none-match": tag })).status).toBe(304);
    expect((await send("PATCH", own(), { enabled: false }, { "if-match": tag })).status).toBe(200);
    for (const [method, body] of [["PATCH", { enabled: true }] as const, ["DELETE", undefined] as const]) {
      const refused = await send(method, own(), body, { "if-match": tag });
      expectError(refused, 412, /If-Match/);
      expect(refused.headers.get("etag")).toBe((await get(own())).headers.get("etag"));
    }
    expect((await send("DELETE", own(), undefined, { "if-match": "*" })).status).toBe(204);
  });
});

describe("deleting a cloud account", () => {
  test("an unused account is deleted, and is not found afterwards", async () => {
    expect((await send("DELETE", own())).status).toBe(204);
    for (const method of ["GET", "DELETE"]) expectError(await send(method, own()), 404, /no cloud account/);
    expectError(await get(`${own()}/credentials`), 404, /no cloud account/);
    expect((await get(path())).body.totalElements).toBe(1);
    expect(await lastEvent()).toMatchObject({ type: "cloud-account.deleted" });
    expectError(await send("POST", tenant.path("production"), tenant.creation()), 400, /^cloudAccountIdentity/);
    // The name is free again.
    await ok("POST", path(), { displayName: "AWS", cloudProfile: profiles.aws });
    await expectInvariants(world.services, tenant.slug);
  });

  test("an account is kept until the deletions of its clusters are complete, also if it is disabled", async () => {
    needsCredentials = true;
    await ok("POST", tenant.path("production"), tenant.creation());
    await ok("POST", tenant.path("production"), tenant.creation({ name: "two" }));
    const refused = async (reason: RegExp, retryAfter: string | null) => {
      for (const query of ["", "?dryRun=true"]) {
        const response = await send("DELETE", `${own()}${query}`);
        expectError(response, 409, reason);
        expect(response.headers.get("retry-after")).toBe(retryAfter);
      }
      await expectInvariants(world.services, tenant.slug);
    };
    await refused(/"AWS" is used by 2 clusters; delete them first/, null);
    await ok("PATCH", own(), { enabled: false });
    await ok("PATCH", tenant.path("production", "one"), { status: "deleting" });
    await refused(
      /"AWS" is used by 2 clusters, of which 1 is still being deleted; delete the others, and try again/,
      null,
    );
    await ok("PATCH", tenant.path("production", "two"), { status: "deleting" });
    await refused(/"AWS" is used by 2 clusters, which are still being deleted; try again when that is complete/, "30");
    await finishDeletion(world.services, tenant.slug, "production", "one");
    await refused(/"AWS" is used by 1 cluster, which is still being deleted; try again when that is complete/, "30");
    await finishDeletion(world.services, tenant.slug, "production", "two");
    await expectInvariants(world.services, tenant.slug);
    expect((await send("DELETE", own())).status).toBe(204);
    await expectInvariants(world.services, tenant.slug);
    expectError(
      await send("POST", `${tenant.path("production", "one")}/undelete`, {}),
      409,
      /account .* does not exist/,
    );
    needsCredentials = false;
  });

  test("an account is not used by a cluster whose deletion an older release accepted, and counts stay right", async () => {
    await ok("POST", tenant.path("production"), tenant.creation());
    await ok("PATCH", tenant.path("production", "one"), { status: "deleting" });
    const [cluster] = await clustersOf(world.services, tenant.slug);
    if (cluster === undefined) throw new Error("no cluster");
    // As the older release left them: the account was released by the request.
    const key = usageKey(tenant.slug, tenant.account.identity);
    const before = new Transaction()
      .put("cluster", clusterItemAt(cluster, { ...cluster, holdsAccount: undefined }))
      .put("usage", { ...key, entity: "usage", entityVersion: 1, clusters: 0 } as RawItem);
    expect(await commit(world.table, before, deadlineIn())).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
    await finishDeletion(world.services, tenant.slug, "production", "one");
    await expectInvariants(world.services, tenant.slug);
    await ok("POST", `${tenant.path("production", "one")}/undelete`, {});
    await expectInvariants(world.services, tenant.slug);
  });

  test("a restored cluster uses its account again, and releases it after its second deletion", async () => {
    await ok("POST", tenant.path("production"), tenant.creation());
    for (let round = 0; round < 2; round++) {
      await ok("PATCH", tenant.path("production", "one"), { status: "deleting" });
      await finishDeletion(world.services, tenant.slug, "production", "one");
      await expectInvariants(world.services, tenant.slug);
      expect((await tombstonesOf(world.services, tenant.slug))[0]).not.toHaveProperty("holdsAccount");
      if (round === 1) break;
      await ok("POST", `${tenant.path("production", "one")}/undelete`, {});
      await expectInvariants(world.services, tenant.slug);
      expectError(await send("DELETE", own()), 409, /"AWS" is used by 1 cluster; delete/);
    }
    expect((await send("DELETE", own())).status).toBe(204);
  });

  test("an account is never deleted while a cluster is created on it, in either order", async () => {
    for (let round = 0; round < 6; round++) {
      const { identity } = await ok("POST", path(), { displayName: `R${round}`, cloudProfile: profiles.aws });
      const creation = tenant.creation({ name: `c${round}`, cloudAccountIdentity: identity });
      const [removed, created] = await Promise.all([
        send("DELETE", path(identity), undefined, {}, world.sibling()),
        send("POST", tenant.path("production"), creation, {}, world.sibling()),
      ]);
      expect(["204 400", "409 200"]).toContain(`${removed.status} ${created.status}`);
    }
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("roles for cloud accounts", () => {
  test("a role below admin reads, and can neither create, change nor delete", async () => {
    const credentials = `${own()}/credentials/${tenant.account.primaryCloudCredentialsIdentity}`;
    for (const role of ["viewer", "developer", "billing-admin"] as const) {
      const { token } = await tenant.person(role, { production: "admin" });
      for (const [method, to] of [
        ["POST", path()],
        ["PATCH", own()],
        ["DELETE", own()],
        ["POST", `${own()}/credentials/aws`],
        ["PUT", credentials],
        ["DELETE", credentials],
      ] as const) {
        const response = await world.send(method, to, { token, ...(method === "DELETE" ? {} : { body: {} }) });
        expectError(response, 403, /role admin/);
      }
    }
    const { token } = await tenant.person("viewer");
    expect((await world.send("GET", credentials, { token })).status).toBe(200);
    const other = await world.tenant();
    expectError(await world.send("DELETE", own(), { token: other.admin }), 403, /not a member/);
    expectError(await send("DELETE", path(other.account.identity)), 404, /no cloud account/);
    expectError(await send("PATCH", path("constructor"), {}), 404, /no cloud account "constructor"/);
  });
});
