import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { beforeEach, describe, expect, test } from "vitest";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { createSchedule } from "#core/admin/maintenance-schedules.ts";
import { showOrganisation } from "#core/admin/organisations.ts";
import type { CachedReferences } from "#core/context.ts";
import { LruCache } from "#core/shared/lru-cache.ts";
import { organisationKey, referencesKey } from "#core/table/keys.ts";
import { readReferences } from "#core/tenancy/references.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { changeReferences } from "#test/support/references.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeEach(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
});

/** Lists the names of the cloud accounts through one process, with the round trips and the number of reads of the references. */
async function accountsOf(process: World, { slug, admin: token }: Tenant = tenant) {
  process.wire.spans.length = 0;
  const { status, body, text } = await process.send("GET", `/api/v1/orgs/${slug}/cloud-accounts`, { token });
  expect(status, text).toBe(200);
  const sent = process.wire.spans.map(({ input }) => JSON.stringify(input));
  return {
    names: body.content.map(({ displayName }: { displayName: string }) => displayName).toSorted(),
    roundTrips: roundTripsOf(process.wire.spans),
    reads: sent.filter((text) => text.includes(referencesKey(slug).sk)).length,
  };
}

const addAccount = (displayName: string) =>
  createAccount(world.services, tenant.slug, { displayName, cloudProfile: "aws" });

/** Sets an attribute of the organisation's item. */
const setOrganisation = (expression: string, values?: Record<string, unknown>) =>
  world.table.client.send(
    new UpdateCommand({
      TableName: world.table.name,
      Key: organisationKey(tenant.slug),
      UpdateExpression: expression,
      ...(values === undefined
        ? {}
        : { ExpressionAttributeNames: { "#identity": "identity" }, ExpressionAttributeValues: values }),
    }),
  );

describe("the references of an organisation", () => {
  test("the first request of a process reads the references in its round trip, and later requests do not read them", async () => {
    const { names } = await accountsOf(world);
    expect(names.length).toBeGreaterThan(0);
    const other = world.sibling();
    expect(await accountsOf(other)).toEqual({ names, roundTrips: 1, reads: 1 });
    for (let request = 0; request < 3; request++) {
      expect(await accountsOf(other)).toEqual({ names, roundTrips: 1, reads: 0 });
    }
  });

  test("a new account is in the next response of every process, which makes one more round trip for it", async () => {
    const processes = [world, world.sibling(), world.sibling()];
    const before = await Promise.all(processes.map((each) => accountsOf(each)));
    for (const name of ["First", "Second"]) {
      await addAccount(name);
      for (const [position, process] of processes.entries()) {
        const missed = await accountsOf(process);
        expect(missed.names).toContain(name);
        expect({ ...missed, names: [] }).toEqual({ names: [], roundTrips: 2, reads: 1 });
        expect(await accountsOf(process)).toEqual({ ...missed, roundTrips: 1, reads: 0 });
        expect(missed.names).toEqual(expect.arrayContaining(before[position]?.names ?? [""]));
      }
    }
  });

  test("a cluster can use a schedule that another process has just created", async () => {
    const other = world.sibling();
    await accountsOf(other);
    const { identity } = await createSchedule(world.services, tenant.slug, {
      name: "weekend",
      windows: [{ day: "SATURDAY", startTime: "2:00", duration: 120 }],
    });
    const body = tenant.creation({ maintenanceScheduleIdentity: identity });
    const answer = await other.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(answer.status, answer.text).toBe(200);
  });

  test("the revision of the organisation's item is that of the references after concurrent writes", async () => {
    const servers = [world, world.sibling(), world.sibling()];
    const add = ({ services }: World, number: number) =>
      createAccount(services, tenant.slug, { displayName: `Account ${number}`, cloudProfile: "aws" });
    await Promise.all(Array.from({ length: 9 }, (_, number) => add(servers[number % 3] ?? world, number)));
    const { organisation } = await showOrganisation(world.services, tenant.slug);
    const { revision, accounts } = await readReferences(world.services, tenant.slug);
    expect(organisation.referencesRevision).toBe(revision);
    expect(Object.values(accounts).filter(({ displayName }) => /^Account \d$/.test(displayName))).toHaveLength(9);
  });

  test("the references of an organisation without their revision are read by each request, until they are written", async () => {
    await setOrganisation("REMOVE referencesRevision");
    for (let request = 0; request < 2; request++) {
      expect(await accountsOf(world)).toMatchObject({ roundTrips: 1, reads: 1 });
    }
    await addAccount("Late");
    const { names } = await accountsOf(world);
    expect(names).toContain("Late");
    expect(await accountsOf(world)).toEqual({ names, roundTrips: 1, reads: 0 });
  });

  test("the references of another organisation that has the slug and the revision are read", async () => {
    await accountsOf(world);
    await setOrganisation("SET #identity = :identity", {
      ":identity": "00000000-0000-4000-8000-000000000000",
    });
    expect(await accountsOf(world)).toMatchObject({ roundTrips: 2, reads: 1 });
  });

  test("a caller who is not a member does not get cached references, and a refused request does not cache them", async () => {
    const { admin: stranger } = await world.tenant();
    const refused = async (process: World) => {
      const answer = await process.send("GET", `/api/v1/orgs/${tenant.slug}/cloud-accounts`, { token: stranger });
      expect(answer.status).toBe(403);
    };
    const other = world.sibling();
    await refused(other);
    expect(other.services.referencesCache.bytes).toBe(0);
    await accountsOf(other);
    await refused(other);
  });

  test("a direct change that raises the revision is visible to the next request", async () => {
    await accountsOf(world);
    await changeReferences(world.table, tenant.slug, ["accounts", tenant.account.identity, "displayName"], "Renamed");
    expect((await accountsOf(world)).names).toContain("Renamed");
  });

  test("the cache stays within its limit, and removes the least recently used organisation", async () => {
    await accountsOf(world);
    const size = world.services.referencesCache.bytes;
    expect(size).toBeGreaterThan(500);
    const limit = Math.ceil(size * 2.5);
    const small = await makeWorld({ referencesCache: new LruCache<CachedReferences>(limit) });
    const [first, second, third] = [await small.tenant(), await small.tenant(), await small.tenant()];
    const reads: number[] = [];
    for (const each of [first, second, first, third, first, second, third]) {
      reads.push((await accountsOf(small, each)).reads);
      expect(small.services.referencesCache.bytes).toBeLessThanOrEqual(limit);
    }
    // The third takes the place of the second, the second that of the third, and the third that of the first.
    expect(reads).toEqual([1, 1, 0, 1, 0, 1, 1]);
  });
});
