import { randomUUID } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import { keyringEntity, requireKeys } from "#core/secrets/keyring-record.ts";
import { createLocalKeyring, createMemoryKeyStore, type KeyStore } from "#core/secrets/local-keyring.ts";
import { createVault } from "#core/secrets/vault.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { keyringKey, keyText } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { makeWorld, type World } from "#test/support/world.ts";

let world: World;
let store: KeyStore;

beforeEach(async () => {
  world = await makeWorld({ maxAttempts: 1 });
  store = createMemoryKeyStore();
});

const PLACE = "/somewhere/keys.json";
const require = (of = store) =>
  requireKeys({ ...world.services, keyring: createLocalKeyring(of) }, PLACE).then(
    () => "",
    (error: Error) => error.message,
  );
const ids = (of = store) => (of.find()?.keys ?? []).map(({ id }) => id);
const recorded = async () => {
  const item = (await world.table.get([keyringKey])).get(keyText(keyringKey));
  return item && keyringEntity.read(item).keyIds;
};

/** Stores a data key like the reconciler. */
async function keepSecret(of = store): Promise<void> {
  const transaction = new Transaction();
  const vault = await createVault(world.table, createLocalKeyring(of), randomUUID(), new Date().toISOString());
  vault.bindTo(transaction);
  expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
}

test("the first start creates a key and records it", async () => {
  expect(await require()).toBe("");
  expect(ids()).toHaveLength(1);
  expect(await recorded()).toEqual(ids());
});

test("a start with an empty or another keyring is refused, names the missing key and creates none", async () => {
  await require();
  const [key] = ids();
  const empty = createMemoryKeyStore();
  expect(await require(empty)).toMatch(new RegExp(`^${PLACE}: is missing, with the key ${key} .*secrets discard`));
  expect(empty.find()).toBeUndefined();
  const other = createMemoryKeyStore();
  other.read();
  expect(await require(other)).toMatch(new RegExp(`^${PLACE}: lacks the key ${key} `));
  expect(await recorded()).toEqual([key]);
  expect(await require()).toBe("");
});

test("a table without the keyring record is searched for the keys of its secrets", async () => {
  await keepSecret();
  const other = createMemoryKeyStore();
  expect(await require(other)).toContain(`${ids()[0]}`);
  expect(other.find()).toBeUndefined();
  expect(await require()).toBe("");
  expect(await recorded()).toEqual(ids());
});

test("the keyring record names every required key, at whichever call a rotation is interrupted", async () => {
  await require();
  await keepSecret();
  let cut = 0;
  for (let call = 0; ; call++) {
    let sent = 0;
    world.wire.fault = () => (sent++ === call ? (call % 2 === 0 ? "before" : "after") : undefined);
    const result = await rotateSecrets({ ...world.services, keyring: createLocalKeyring(store), graceMs: 0 }).catch(
      () => undefined,
    );
    world.wire.fault = () => undefined;
    // Its own keys are never refused. A keyring with one key is refused when secrets name another one.
    expect(await require()).toBe("");
    expect(await recorded()).toEqual(ids());
    if (result !== undefined) break;
    cut++;
  }
  expect(cut).toBeGreaterThan(5);
  expect(ids()).toHaveLength(1);
});

test("keys from before a rotation are refused after it, and later keys are refused with an older database", async () => {
  await require();
  await keepSecret();
  const before = createMemoryKeyStore();
  const [old] = store.read().keys;
  before.change(() => ({ keys: old === undefined ? [] : [old] }));
  await rotateSecrets({ ...world.services, keyring: createLocalKeyring(store), graceMs: 0 });
  expect(await require(before)).toContain(`lacks the key ${ids()[0]}`);
  const record = keyringEntity.write(keyringKey, { keyIds: ids(before) });
  await commit(world.table, new Transaction().put("record", record), deadlineIn());
  expect(await require()).toContain(`lacks the key ${ids(before)[0]}`);
});
