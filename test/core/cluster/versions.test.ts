import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { clusterVersions, parseVersion } from "#core/catalogue/index.ts";
import type { Cluster } from "#core/cluster/entity.ts";
import { isReachable, reachableVersions, rollbackAfter } from "#core/cluster/rules/versions.ts";
import { clusterItem } from "#core/cluster/store/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { clustersOf } from "#test/support/invariants.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

const ALL = clusterVersions.map(({ version }) => version);
const minorOf = (version: string) => parseVersion(version)?.minor ?? Number.NaN;

describe("a change of the Kubernetes version", () => {
  test.each([
    ["up within the minor", "v1.33.4-u-ame.1", "v1.33.8-u-ame.1", true],
    ["up by a build", "v1.34.4-u-ame.1", "v1.34.4-u-ame.2", true],
    ["up by one minor, to its oldest", "v1.33.8-u-ame.1", "v1.34.3-u-ame.1", true],
    ["up by one minor, to its newest", "v1.33.4-u-ame.1", "v1.34.4-u-ame.2", true],
    ["up by two minors", "v1.33.8-u-ame.1", "v1.35.0-u-ame.1", false],
    ["down within the minor", "v1.34.4-u-ame.2", "v1.34.3-u-ame.1", true],
    ["down by a build", "v1.33.4-u-ame.2", "v1.33.4-u-ame.1", true],
    ["down by one minor", "v1.34.3-u-ame.1", "v1.33.8-u-ame.1", false],
    ["down by two minors", "v1.35.0-u-ame.1", "v1.33.8-u-ame.1", false],
  ])("a change of version %s, from %s to %s, is reachable: %s", (_, from, to, reachable) => {
    expect(isReachable({ version: from }, to)).toBe(reachable);
  });

  test("a cluster can go back to the version before a minor upgrade, and to no other lower version", () => {
    const upgraded = { version: "v1.34.4-u-ame.1", rollbackVersion: "v1.33.4-u-ame.2" };
    expect(ALL.filter((to) => minorOf(to) === 33 && isReachable(upgraded, to))).toEqual(["v1.33.4-u-ame.2"]);
    expect(reachableVersions(upgraded)).toEqual([
      "v1.33.4-u-ame.2",
      "v1.34.3-u-ame.1",
      "v1.34.4-u-ame.2",
      "v1.35.0-u-ame.1",
      "v1.35.1-u-ame.1",
    ]);
  });

  test.each(ALL)(
    "the versions reachable from %s exclude itself, are in its minor or the next, and are ascending",
    (version) => {
      const minor = minorOf(version);
      const expected = ALL.filter((to) => to !== version && [minor, minor + 1].includes(minorOf(to)));
      expect(reachableVersions({ version })).toEqual(expected);
    },
  );

  test.each([
    ["v1.33.8-u-ame.1", "v1.34.3-u-ame.1", "v1.33.8-u-ame.1"],
    ["v1.34.3-u-ame.1", "v1.34.4-u-ame.2", undefined],
    ["v1.34.4-u-ame.2", "v1.34.3-u-ame.1", undefined],
    ["v1.34.4-u-ame.1", "v1.34.4-u-ame.2", undefined],
    ["v1.34.3-u-ame.1", "v1.33.8-u-ame.1", undefined],
  ])("the rollback version after an accepted change from %s to %s is %s", (from, to, back) => {
    expect(rollbackAfter({ version: from }, to)).toBe(back);
  });
});

describe("a change of version over HTTP", () => {
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
  const present = async () => (await world.send("GET", path(), { token: tenant.admin })).body;

  /** Creates the cluster "one" in a state that only the reconciler sets. */
  async function make(version: string, state: Partial<Cluster>): Promise<void> {
    const body = tenant.creation({ version });
    const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(200);
    const [cluster] = await clustersOf(world.services, tenant.slug);
    if (cluster === undefined) throw new Error("cluster not found");
    const item = clusterItem({ ...cluster, ...state, revision: cluster.revision + 1 });
    expect(await commit(world.table, new Transaction().put("cluster", item), deadlineIn())).toEqual([]);
  }

  test("a cluster can go up, back and up again through reachable versions, and errors list the reachable versions", async () => {
    await make("v1.33.4-u-ame.2", { status: "started" });
    const far = await patch({ version: "v1.35.0-u-ame.1" });
    expect(far.status).toBe(400);
    const { details } = far.body;
    expect(details).toEqual([expect.stringMatching(/^version: "v1\.35\.0-u-ame\.1"/)]);
    for (const version of ALL.filter((each) => minorOf(each) < 35 && each !== "v1.33.4-u-ame.2")) {
      expect(details[0]).toContain(version);
    }
    expect(details[0]).not.toContain("v1.35.1");
    // Up a minor and back, twice. Then a patch is accepted, and going back is no longer possible.
    for (const version of ["v1.34.3-u-ame.1", "v1.33.4-u-ame.2", "v1.34.3-u-ame.1", "v1.34.4-u-ame.2"]) {
      const response = await patch({ version });
      expect([response.status, response.body.version]).toEqual([200, version]);
    }
    const closed = await patch({ version: "v1.33.4-u-ame.2" });
    expect(closed.status).toBe(400);
    expect(closed.body.message).toContain("v1.34.3-u-ame.1");
    expect(closed.body.message).not.toContain("v1.33.8");
    expect((await present()).version).toBe("v1.34.4-u-ame.2");
  });

  test("going back remains possible after requests for other changes and for the same version", async () => {
    await make("v1.33.8-u-ame.1", { status: "started" });
    for (const body of [{ version: "v1.34.4-u-ame.2" }, { version: "v1.34.4-u-ame.2" }, { deleteProtection: true }]) {
      expect((await patch(body)).status).toBe(200);
    }
    expect((await patch({ version: "v1.33.4-u-ame.1" })).status).toBe(400);
    expect((await patch({ version: "v1.33.8-u-ame.1" })).status).toBe(200);
    // Going back is an accepted version like any other: it does not allow a return to the version before it.
    expect((await patch({ version: "v1.35.0-u-ame.1" })).status).toBe(400);
  });

  const asked: [Cluster["status"], Cluster["desiredStatus"], Record<string, unknown>, number][] = [
    ["new", "starting", {}, 200],
    ["provisioning", "starting", {}, 200],
    ["provisioned", "starting", {}, 200],
    ["starting", "starting", {}, 200],
    ["started", "starting", {}, 200],
    ["unknown", "starting", {}, 200],
    ["stopping", "stopping", {}, 409],
    ["stopped", "stopping", {}, 409],
    ["stopped", "stopping", { status: "stopping" }, 409],
    ["stopped", "stopping", { status: "starting" }, 200],
    ["started", "starting", { status: "stopping" }, 409],
    ["started", "starting", { status: "deleting" }, 409],
  ];
  test.each(asked)(
    "a cluster in state %s with desired status %s that gets a PATCH of its version with %j returns %i",
    async (...row) => {
      const [status, desiredStatus, more, expected] = row;
      await make("v1.34.4-u-ame.1", { status, desiredStatus });
      const before = await present();
      const response = await patch({ ...more, version: "v1.34.4-u-ame.2" });
      expect(response.status, response.text).toBe(expected);
      const after = { version: "v1.34.4-u-ame.2", status: more.status ?? status };
      expect(await present()).toMatchObject(expected === 200 ? after : before);
      if (expected === 409) expect(response.body.message).toContain(status);
    },
  );

  test("a deleting cluster refuses another version: 400 for an unknown version, 409 for an unreachable one", async () => {
    await make("v1.33.4-u-ame.1", {});
    expect((await patch({ status: "deleting" })).status).toBe(200);
    expect((await patch({ version: "v1.33.4-u-ame.2" })).status).toBe(409);
    expect((await patch({ version: "v1.35.0-u-ame.1" })).status).toBe(409);
    expect((await patch({ version: "v1.33.9-u-ame.1" })).status).toBe(400);
  });
});
