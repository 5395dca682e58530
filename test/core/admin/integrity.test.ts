import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { type CheckReport, checkTable } from "#core/admin/integrity/check.ts";
import { checkItems } from "#core/admin/integrity/items.ts";
import { findInconsistencies } from "#core/admin/integrity/organisation.ts";
import { nodePoolsOf } from "#core/node-pool/items.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import type { Table } from "#core/table/client.ts";
import type { Properties, RawItem } from "#core/table/entity.ts";
import {
  type Key,
  keyText,
  nodePoolKey,
  organisationKey,
  pointerKey,
  scheduledUpgradeKey,
  secretKey,
  tokenKey,
  totalKey,
  usageKey,
} from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { referencesEntity } from "#core/tenancy/references-entity.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";

/** Creates a running cluster with pools and secrets, a deleted one, and one that is being deleted and lost its slug. */
let scene: Scene;
let running: string;
let deleted: string;
let pool: Key;
/** Identity of the running cluster's scheduled upgrade, and its item. */
let upgrade: string;
let planted: RawItem;

const check = (through: Partial<Table> = {}): Promise<CheckReport> =>
  checkTable({ ...scene.world.services, table: { ...scene.world.table, ...through } });

/** Returns the findings of one check. */
async function look(): Promise<string[]> {
  const { services } = scene.world;
  const { contradictions } = await checkItems(services);
  // An item that cannot be read is reported by the first check, and stops the second.
  const more = await findInconsistencies(services, scene.tenant.slug).catch(() => []);
  return [...contradictions, ...more].map(({ where }) => where);
}

async function write(...changes: { key: Key; item: RawItem | undefined }[]): Promise<void> {
  const transaction = new Transaction();
  for (const { key, item } of changes) {
    if (item === undefined) transaction.delete("planted", key);
    else transaction.put("planted", item);
  }
  expect(await commit(scene.world.table, transaction, deadlineIn(8_000))).toEqual([]);
}

async function read(key: Key): Promise<RawItem | undefined> {
  return (await scene.world.table.get([key])).get(keyText(key));
}

beforeAll(async () => {
  scene = await makeScene();
  deleted = (await scene.create()).identity;
  await scene.world.settle();
  await scene.ask("deleting");
  await scene.world.settle();
  await scene.create({ maintenanceScheduleIdentity: scene.tenant.schedule.identity });
  await scene.ask("deleting");
  running = (await scene.create()).identity;
  const [first] = await nodePoolsOf(scene.world.table, running);
  pool = nodePoolKey(running, first?.id ?? 0);
  const upgrades = `/api/v1/orgs/${scene.tenant.slug}/scheduled-cluster-upgrades`;
  const request = { clusterIdentity: running, version: "v1.35.1-u-ame.1" };
  upgrade = (await scene.send("POST", upgrades, request)).body.identity;
  planted = (await read(scheduledUpgradeKey(scene.tenant.slug, upgrade))) as RawItem;
});

test("the check finds nothing in a consistent table, also while clusters are created and deleted", async () => {
  expect(await check()).toMatchObject({ organisations: 1, contradictions: [] });
  expect((await check()).items).toBeGreaterThan(20);
});

describe("the integrity check finds an inconsistency", () => {
  const organisation = () => scene.tenant.slug;
  const inOrganisation = (sk: string): Key => ({ ...organisationKey(organisation()), sk });
  const add = (attribute: string) => (item: RawItem | undefined) =>
    item && { ...item, [attribute]: Number((item as Properties)[attribute] ?? 0) + 1 };
  const away = () => undefined;

  const faults: [
    name: string,
    where: RegExp,
    key: () => Key,
    become: (item: RawItem | undefined) => RawItem | undefined,
  ][] = [
    ["a cluster without pointer", /^cluster .*: pointer$/, () => pointerKey(running), away],
    [
      "a pointer to another cluster",
      /^item CLUSTER#/,
      () => pointerKey(running),
      (item) => item && { ...item, path: "CLUSTER#production#other" },
    ],
    [
      "a pointer that will expire",
      /^cluster .*: pointer$/,
      () => pointerKey(running),
      (item) => item && { ...item, ttl: 9_999_999_999 },
    ],
    ["a missing cluster", /: totals$/, () => inOrganisation("CLUSTER#production#one"), away],
    [
      "a row of the list index with another status",
      /^cluster .*: row of the list index$/,
      () => inOrganisation("CLUSTER#production#one"),
      (item) => item && { ...item, row: String(item.row).replace("|new|", "|started|") },
    ],
    [
      "a cluster without its row of the list index",
      /^cluster .*: row of the list index$/,
      () => inOrganisation("CLUSTER#production#one"),
      (item) => item && { ...item, listPk: undefined },
    ],
    ["a missing node pool", /^cluster .*: compute$/, () => pool, away],
    ["an organisation's total", /^organisation .*: totals$/, () => totalKey(organisation()), add("clusters")],
    ["an additional member", /^organisation .*: totals$/, () => totalKey(organisation()), add("members")],
    [
      "another revision of the references",
      /^organisation .*: revision of its references$/,
      () => organisationKey(organisation()),
      add("referencesRevision"),
    ],
    [
      "an environment's total",
      /^environment .*\/production: totals$/,
      () => inOrganisation("ENV#production"),
      add("totalCpu"),
    ],
    ["a missing environment", /clusters in no environment$/, () => inOrganisation("ENV#production"), away],
    [
      "a wrong usage counter",
      /clusters that use/,
      () => usageKey(organisation(), scene.tenant.account.identity),
      add("clusters"),
    ],
    [
      "a wrong number of deleting clusters of an account",
      /clusters that use/,
      () => usageKey(organisation(), scene.tenant.account.identity),
      add("deletingClusters"),
    ],
    [
      "a missing usage counter",
      /clusters that use/,
      () => usageKey(organisation(), scene.tenant.account.identity),
      away,
    ],
    [
      "a missing scheduled upgrade",
      /^cluster .*: scheduled upgrade$/,
      () => scheduledUpgradeKey(organisation(), upgrade),
      away,
    ],
    [
      "a scheduled upgrade in another environment",
      /^cluster .*: scheduled upgrade$/,
      () => scheduledUpgradeKey(organisation(), upgrade),
      (item) => item && { ...item, environment: "staging" },
    ],
    [
      "an unfinished upgrade of no cluster",
      /unfinished upgrades of no cluster$/,
      () => scheduledUpgradeKey(organisation(), deleted),
      () => ({ ...planted, ...scheduledUpgradeKey(organisation(), deleted), identity: deleted }),
    ],
    ["a wrong chunk of the page index", /: page index$/, () => inOrganisation("INDEX#production#"), away],
    ["a missing tombstone", /^item CLUSTER#/, () => inOrganisation(`DELETED#production#one#${deleted}`), away],
    [
      "a leftover item of a deleted cluster",
      /^deleted cluster .*: leftover items$/,
      () => secretKey(deleted, "KEY"),
      () => ({
        ...secretKey(deleted, "KEY"),
        entity: "data-key",
        entityVersion: 1,
        clusterIdentity: deleted,
        keyId: "k",
        wrappedBy: "w",
        ciphertext: "c",
        createdAt: "2026-11-24T00:00:00.000Z",
      }),
    ],
    [
      "a secret without a cluster",
      /^item .* SECRET#KEY$/,
      () => secretKey("nobody", "KEY"),
      () => ({
        ...secretKey("nobody", "KEY"),
        entity: "data-key",
        entityVersion: 1,
        clusterIdentity: "nobody",
        keyId: "k",
        wrappedBy: "w",
        ciphertext: "c",
        createdAt: "2026-11-24T00:00:00.000Z",
      }),
    ],
    [
      "a token that is not listed",
      /^item TOKEN#/,
      () => tokenKey("7edd36c4"),
      () => ({
        ...tokenKey("7edd36c4"),
        entity: "token",
        entityVersion: 1,
        tokenId: "7edd36c4",
        user: "u",
        name: "n",
        hash: "h",
        createdAt: "",
        expiresAt: "",
        sources: [],
      }),
    ],
    [
      "an item of a missing organisation",
      /^item ORG#nobody/,
      () => ({ pk: "ORG#nobody", sk: "REFERENCES" }),
      () =>
        referencesEntity.write({ pk: "ORG#nobody", sk: "REFERENCES" }, { accounts: {}, schedules: {}, revision: 1 }),
    ],
    [
      "an item that does not match its schema",
      /^item CLUSTER#/,
      () => pointerKey(running),
      (item) => item && { ...item, fence: "high" },
    ],
    [
      "an unknown entity",
      /^item STRANGE/,
      () => ({ pk: "STRANGE", sk: "STRANGE" }),
      () => ({ pk: "STRANGE", sk: "STRANGE", entity: "strange", entityVersion: 1 }),
    ],
    ["an item of a later release", /^item CLUSTER#/, () => pointerKey(running), add("entityVersion")],
  ];

  test.each(faults)("the check reports %s", async (_, where, keyOf, become) => {
    const key = keyOf();
    const before = await read(key);
    await write({ key, item: become(before) });
    const found = await look();
    await write({ key, item: before });
    expect(found).toContainEqual(expect.stringMatching(where));
  });

  test("the check finds nothing after the inconsistencies were repaired", async () => {
    expect(await check()).toMatchObject({ contradictions: [] });
  });
});

test("the check does not report a write in progress", async () => {
  const stray = pointerKey(randomUUID());
  let scans = 0;
  const { contradictions } = await check({
    async *scan() {
      yield* scene.world.table.scan();
      if (++scans === 1) yield { ...stray, entity: "strange", entityVersion: 1 };
    },
  });
  expect([contradictions, scans]).toEqual([[], 2]);
});
