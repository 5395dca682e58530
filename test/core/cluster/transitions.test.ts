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

/** What may come next, as the contract's table has it with what it adds for all of them. */
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

/** What the contract says to a wish, whatever was asked before: starting, stopping, deleting. */
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

describe("the life of a cluster", () => {
  test.each(KNOWN)("goes on from %s as the contract's table has it, whatever is wanted", (from) => {
    for (const desired of desiredStatuses) {
      const next = clusterStatuses.filter((to) => canFollow(from, to, desired));
      expect([desired, next.toSorted()]).toEqual([desired, NEXT[from].toSorted()]);
    }
  });

  test.each<[DesiredStatus, ClusterStatus[], ClusterStatus[]]>([
    ["starting", ["provisioning", "provisioned", "starting", "started", "deleting"], ["stopping", "deleted"]],
    ["stopping", ["stopping", "stopped", "deleting"], ["new", "provisioning", "starting", "deleted"]],
    ["deleting", ["deleting", "deleted"], ["new", "provisioning", "starting", "started", "stopping", "stopped"]],
  ])("goes on from unknown to what fits %s", (desired, allowed, forbidden) => {
    expect(allowed.filter((to) => !canFollow("unknown", to, desired))).toEqual([]);
    expect(forbidden.filter((to) => canFollow("unknown", to, desired))).toEqual([]);
  });

  test("holds no state that the contract does not know", () => {
    expect([...KNOWN, "unknown"].toSorted()).toEqual([...clusterStatuses].toSorted());
  });
});

describe("a wish", () => {
  test.each(KNOWN)("of a cluster that is %s is judged by the contract's table, whatever was asked before", (status) => {
    for (const desired of desiredStatuses) {
      const verdicts = (["starting", "stopping", "deleting"] as const).map((wish) =>
        evaluateStatusRequest(status, desired, wish),
      );
      expect([desired, verdicts]).toEqual([desired, VERDICTS[status]]);
    }
  });

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
  ])("of a cluster that cannot be told and was asked for %s, for %s, is %s", (desired, wish, verdict) => {
    expect(evaluateStatusRequest("unknown", desired, wish)).toBe(verdict);
  });
});

describe("a cluster over HTTP", () => {
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

  /** Creates the cluster "one", and brings it where only the reconciler does. */
  async function make(state: Partial<Cluster> = {}): Promise<string> {
    const body = tenant.creation({ nodePools: [{ name: "web", nodeSize: "t3.medium" }] });
    const answer = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(answer.status, answer.text).toBe(200);
    await bring(state);
    return answer.body.identity;
  }

  /** Writes the cluster as the reconciler will. */
  async function bring(state: Partial<Cluster>): Promise<void> {
    const [cluster] = await clustersOf(world.services, tenant.slug);
    if (cluster === undefined) throw new Error("no cluster");
    const item = clusterItem({ ...cluster, ...state, revision: cluster.revision + 1 });
    expect(await commit(world.table, new Transaction().put("cluster", item), deadlineIn())).toEqual([]);
  }

  const LIVE = KNOWN.filter((status) => status !== "deleted" && status !== "deleting");
  const cases = [...LIVE, "unknown" as const].flatMap((status) =>
    desiredStatuses.map((desired) => [status, desired] as const),
  );

  test.each(cases)(
    "that is %s and was asked for %s is answered as the contract's table has it",
    async (status, desiredStatus) => {
      const identity = await make();
      // One that was asked to go is counted nowhere any more, also while nobody can tell where it is.
      if (isDeleting({ status, desiredStatus })) expect((await patch({ status: "deleting" })).status).toBe(200);
      for (const wish of ["starting", "stopping", "deleting"] as const) {
        await bring({ status, desiredStatus });
        const before = await revision();
        const events = (await eventsOf(world.services, identity)).length;
        const verdict = evaluateStatusRequest(status, desiredStatus, wish);
        const answer = await patch({ status: wish });
        expect([wish, answer.status]).toEqual([wish, verdict === "refused" ? 409 : 200]);
        if (verdict === "refused") expect(answer.body.message).toContain(status);
        const taken = { status: wish, desiredStatus: wish };
        const { body } = await get();
        expect(body).toMatchObject(verdict === "accepted" ? taken : { status, desiredStatus });
        expect(await revision()).toBe(verdict === "accepted" ? before + 1 : before);
        const [, type] = (await eventsOf(world.services, identity)).slice(events - 1);
        const told = wish === "deleting" ? "cluster.deletion-requested" : "cluster.updated";
        expect(type?.type).toBe(verdict === "accepted" ? told : undefined);
      }
      await expectInvariants(world.services, tenant.slug);
    },
  );

  test("that is protected against deletion is not deleted, unless the same request takes the protection away", async () => {
    await make({ status: "started" });
    for (const body of [
      { deleteProtection: true, status: "deleting" },
      { deleteProtection: true },
      { status: "deleting" },
    ]) {
      const answer = await patch(body);
      expect([body, answer.status]).toEqual([body, body.status === undefined ? 200 : 409]);
      if (answer.status === 409) expect(answer.body.message).toContain("deleteProtection");
    }
    expect((await get()).body).toMatchObject({ deleteProtection: true, status: "started", desiredStatus: "starting" });
    await expectInvariants(world.services, tenant.slug);
    const answer = await patch({ deleteProtection: false, status: "deleting" });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body).toMatchObject({ deleteProtection: false, status: "deleting", desiredStatus: "deleting" });
    expect(answer.body).not.toHaveProperty("deletedAt");
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
  ])("that is deleting is refused %j", async (body) => {
    await make();
    expect((await patch({ status: "deleting" })).status).toBe(200);
    const before = await get();
    const answer = await patch(body);
    expect([answer.status, answer.body.message]).toEqual([409, expect.stringContaining("deleting")]);
    expect((await get()).body).toEqual(before.body);
    expect((await patch({ status: "deleting" })).body).toEqual(before.body);
    await expectInvariants(world.services, tenant.slug);
  });

  test.each([...LIVE, "unknown"] as const)(
    "that is %s may change its network interface while new alone",
    async (status) => {
      await make({ status });
      const answer = await patch({ cni: "calico" });
      expect(answer.status).toBe(status === "new" ? 200 : 409);
      if (answer.status === 409) expect(answer.body.message).toContain(status);
      expect((await get()).body.cni).toBe(status === "new" ? "calico" : "cilium");
    },
  );

  test("whose deletion was accepted stays one that is deleted, also while nobody can tell where it is", async () => {
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
    // Its slug was free from the moment on that the deletion was accepted.
    const again = await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });
    expect(again.status, again.text).toBe(200);
  });

  test("that cannot do one thing of a request does nothing of it", async () => {
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
