import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import {
  type ClusterStatus,
  canFollow,
  type DesiredStatus,
  evaluateStatusRequest,
  isDeleting,
} from "#core/cluster/rules/transitions.ts";
import { clusterStatuses, desiredStatuses } from "#core/cluster/schema.ts";
import { clusterItem } from "#core/cluster/store/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { clustersOf, eventsOf, expectInvariants } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Allowed next states: the contract's table, with the states that it adds to all of them. */
const NEXT: Record<Exclude<ClusterStatus, "unknown">, ClusterStatus[]> = {
  new: ["provisioning", "deleting", "unknown"],
  provisioning: ["provisioned", "deleting", "unknown"],
  provisioned: ["starting", "deleting", "unknown"],
  starting: ["started", "deleting", "unknown"],
  started: ["stopping", "deleting", "unknown"],
  stopping: ["stopped", "deleting", "unknown"],
  stopped: ["starting", "deleting", "unknown"],
  deleting: ["deleted", "unknown"],
  deleted: ["new"],
};

/** The contract's verdicts for a requested status, whatever was requested before: starting, stopping, deleting. */
const VERDICTS: Record<Exclude<ClusterStatus, "unknown">, [string, string, string]> = {
  new: ["unchanged", "refused", "accepted"],
  provisioning: ["unchanged", "refused", "accepted"],
  provisioned: ["unchanged", "refused", "accepted"],
  starting: ["unchanged", "refused", "accepted"],
  started: ["unchanged", "accepted", "accepted"],
  stopping: ["refused", "unchanged", "accepted"],
  stopped: ["accepted", "unchanged", "accepted"],
  deleting: ["refused", "refused", "unchanged"],
  deleted: ["refused", "refused", "refused"],
};

const KNOWN = Object.keys(NEXT) as Exclude<ClusterStatus, "unknown">[];

describe("the state machine of a cluster", () => {
  test.each(KNOWN)("the states after %s are those of the contract's table, whatever the desired status", (from) => {
    for (const desired of desiredStatuses) {
      const next = clusterStatuses.filter((to) => canFollow(from, to, desired));
      expect([desired, next.toSorted()]).toEqual([desired, NEXT[from].toSorted()]);
    }
  });

  test.each<[DesiredStatus, ClusterStatus[], ClusterStatus[]]>([
    ["starting", ["provisioning", "provisioned", "starting", "started", "deleting"], ["stopping", "deleted"]],
    ["stopping", ["stopping", "stopped", "deleting"], ["new", "provisioning", "starting", "deleted"]],
    ["deleting", ["deleting", "deleted"], ["new", "provisioning", "starting", "started", "stopping", "stopped"]],
  ])("the states after unknown are those that fit the desired status %s", (desired, allowed, forbidden) => {
    expect(allowed.filter((to) => !canFollow("unknown", to, desired))).toEqual([]);
    expect(forbidden.filter((to) => canFollow("unknown", to, desired))).toEqual([]);
  });

  test("the state machine contains only states of the contract", () => {
    expect([...KNOWN, "unknown"].toSorted()).toEqual([...clusterStatuses].toSorted());
  });
});

describe("a requested status", () => {
  test.each(KNOWN)(
    "a requested status of a cluster in state %s gets the contract's verdict, whatever was requested before",
    (status) => {
      for (const desired of desiredStatuses) {
        const verdicts = (["starting", "stopping", "deleting"] as const).map((requested) =>
          evaluateStatusRequest(status, desired, requested),
        );
        expect([desired, verdicts]).toEqual([desired, VERDICTS[status]]);
      }
    },
  );

  test.each<[DesiredStatus, DesiredStatus, string]>([
    ["starting", "starting", "unchanged"],
    ["starting", "stopping", "refused"],
    ["starting", "deleting", "accepted"],
    ["stopping", "starting", "refused"],
    ["stopping", "stopping", "unchanged"],
    ["stopping", "deleting", "accepted"],
    ["deleting", "starting", "refused"],
    ["deleting", "stopping", "refused"],
    ["deleting", "deleting", "unchanged"],
  ])("for an unknown cluster with desired status %s, a request for %s is %s", (desired, requested, verdict) => {
    expect(evaluateStatusRequest("unknown", desired, requested)).toBe(verdict);
  });
});

describe("a change of status over HTTP", () => {
  let world: World;
  let tenant: Tenant;
  beforeAll(async () => {
    world = await makeWorld();
  });
  beforeEach(async () => {
    tenant = await world.tenant();
  });

  const path = () => tenant.path("production", "one");
  const patch = (body: unknown) => world.send("PATCH", path(), { token: tenant.admin, body });
  const get = () => world.send("GET", path(), { token: tenant.admin });
  const revision = async () => Number((await get()).headers.get("etag")?.match(/\d+/)?.[0]);

  /** Creates the cluster "one" in a state that only the reconciler sets. */
  async function make(state: Partial<Cluster> = {}): Promise<string> {
    const body = tenant.creation({ nodePools: [{ name: "web", nodeSize: "t3.medium" }] });
    const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
    await bring(state);
    return response.body.identity;
  }

  /** Writes the cluster as the reconciler does. */
  async function bring(state: Partial<Cluster>): Promise<void> {
    const [cluster] = await clustersOf(world.services, tenant.slug);
    if (cluster === undefined) throw new Error("cluster not found");
    const item = clusterItem({ ...cluster, ...state, revision: cluster.revision + 1 });
    expect(await commit(world.table, new Transaction().put("cluster", item), deadlineIn())).toEqual([]);
  }

  const LIVE = KNOWN.filter((status) => status !== "deleted" && status !== "deleting");
  const cases = [...LIVE, "unknown" as const].flatMap((status) =>
    desiredStatuses.map((desired) => [status, desired] as const),
  );

  test.each(cases)(
    "a cluster in state %s with desired status %s gets the responses of the contract's table",
    async (status, desiredStatus) => {
      const identity = await make();
      // A cluster with a requested deletion is not counted, also while its state is unknown.
      if (isDeleting({ status, desiredStatus })) expect((await patch({ status: "deleting" })).status).toBe(200);
      for (const requested of ["starting", "stopping", "deleting"] as const) {
        await bring({ status, desiredStatus });
        const before = await revision();
        const events = (await eventsOf(world.services, identity)).length;
        const verdict = evaluateStatusRequest(status, desiredStatus, requested);
        const response = await patch({ status: requested });
        expect([requested, response.status]).toEqual([requested, verdict === "refused" ? 409 : 200]);
        if (verdict === "refused") expect(response.body.message).toContain(status);
        const taken = { status: requested, desiredStatus: requested };
        const { body } = await get();
        expect(body).toMatchObject(verdict === "accepted" ? taken : { status, desiredStatus });
        expect(await revision()).toBe(verdict === "accepted" ? before + 1 : before);
        const [, type] = (await eventsOf(world.services, identity)).slice(events - 1);
        const eventType = requested === "deleting" ? "cluster.deletion-requested" : "cluster.updated";
        expect(type?.type).toBe(verdict === "accepted" ? eventType : undefined);
      }
      await expectInvariants(world.services, tenant.slug);
    },
  );

  test("a cluster with delete protection is not deleted unless the same request removes the protection", async () => {
    await make({ status: "started" });
    for (const body of [
      { deleteProtection: true, status: "deleting" },
      { deleteProtection: true },
      { status: "deleting" },
    ]) {
      const response = await patch(body);
      expect([body, response.status]).toEqual([body, body.status === undefined ? 200 : 409]);
      if (response.status === 409) expect(response.body.message).toContain("deleteProtection");
    }
    expect((await get()).body).toMatchObject({ deleteProtection: true, status: "started", desiredStatus: "starting" });
    await expectInvariants(world.services, tenant.slug);
    const response = await patch({ deleteProtection: false, status: "deleting" });
    expect(response.status, response.text).toBe(200);
    expect(response.body).toMatchObject({ deleteProtection: false, status: "deleting", desiredStatus: "deleting" });
    expect(response.body).not.toHaveProperty("deletedAt");
    await expectInvariants(world.services, tenant.slug);
  });

  test.each([
    { addons: { a: {} } },
    { cni: "calico" },
    { deleteProtection: true },
    { enableAutoUpgrade: true },
    { enableHighAvailability: true },
    { enableNetworkEncryption: true },
    { environmentSlug: "staging" },
    { ipWhitelist: [{ cidr: "10.0.0.0/8", description: "" }] },
    { podSecurityStandardsProfile: "baseline" },
    { status: "starting" },
    { status: "stopping" },
    { status: "deleting", enableAutoUpgrade: true },
    { updateChannel: "v1.35" },
    { version: "v1.35.0-u-ame.1" },
  ])("a deleting cluster refuses the change %j", async (body) => {
    await make();
    expect((await patch({ status: "deleting" })).status).toBe(200);
    const before = await get();
    const response = await patch(body);
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining("deleting")]);
    expect((await get()).body).toEqual(before.body);
    expect((await patch({ status: "deleting" })).body).toEqual(before.body);
    await expectInvariants(world.services, tenant.slug);
  });

  test.each([...LIVE, "unknown"] as const)(
    "a cluster in state %s can change its network interface only while it is new",
    async (status) => {
      await make({ status });
      const response = await patch({ cni: "calico" });
      expect(response.status).toBe(status === "new" ? 200 : 409);
      if (response.status === 409) expect(response.body.message).toContain(status);
      expect((await get()).body.cni).toBe(status === "new" ? "calico" : "cilium");
    },
  );

  test("a cluster with an accepted deletion remains in deletion, also while its state is unknown", async () => {
    const identity = await make();
    expect((await patch({ status: "deleting" })).status).toBe(200);
    await bring({ status: "unknown" });
    expect((await get()).body).toMatchObject({ identity, status: "unknown", desiredStatus: "deleting" });
    expect((await patch({ status: "deleting" })).status).toBe(200);
    const pool = { name: "more", nodeSize: "t3.medium" };
    const more = await world.send("POST", `${path()}/pools`, { token: tenant.admin, body: pool });
    const changed = await patch({ enableAutoUpgrade: true });
    const moved = await patch({ environmentSlug: "staging" });
    expect([more.status, changed.status, moved.status]).toEqual([409, 409, 409]);
    // Its slug is available from the moment when the deletion was accepted.
    const again = await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });
    expect(again.status, again.text).toBe(200);
  });

  test("a request of which one change is invalid changes nothing", async () => {
    await make({ status: "started" });
    const before = await get();
    for (const wrong of [
      { cni: "calico" },
      { status: "stopping", version: "v1.35.0-u-ame.1" },
      { version: "v1.33.4-u-ame.1" },
    ]) {
      expect((await patch({ enableAutoUpgrade: true, environmentSlug: "staging", ...wrong })).status).toBeGreaterThan(
        399,
      );
      expect((await get()).body).toEqual(before.body);
    }
    await expectInvariants(world.services, tenant.slug);
  });
});
