import { randomUUID } from "node:crypto";
import * as v from "valibot";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createLocalKeyring, createMemoryKeyStore, type KeyStore } from "#core/secrets/local-keyring.ts";
import { UnsealError } from "#core/secrets/seal.ts";
import { createVault, DATA_KEY, dataKeyEntity, openSecret, openVault, readSecrets } from "#core/secrets/vault.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { secretKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { type Json, makeWorld, type World } from "#test/support/world.ts";

const NAMES = ["CA", "OIDC"];
const Secret = v.object({ value: v.string() });

let world: World;
let store: KeyStore;
let keyring: Keyring;
beforeAll(async () => {
  world = await makeWorld({ maxAttempts: 1 });
});
beforeEach(empty);

/** Deletes all items. */
async function empty(): Promise<void> {
  for await (const item of world.table.scan()) {
    await commit(world.table, new Transaction().delete("item", item), deadlineIn());
  }
  store = createMemoryKeyStore();
  keyring = createLocalKeyring(store);
}

/** Writes the secrets that the reconciler's steps write. @returns the cluster's identity */
async function keep(table = world.table.name, ring = keyring): Promise<string> {
  const identity = randomUUID();
  const vault = await createVault({ ...world.table, name: table }, ring, identity, new Date().toISOString());
  const transaction = new Transaction();
  vault.bindTo(transaction);
  for (const name of NAMES) {
    const item = { ...secretKey(identity, name), sealed: vault.seal(name, { value: `${identity} ${name}` }) };
    transaction.create(name, item);
  }
  expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
  return identity;
}

const open = async (identity: string, name: string, ring = keyring) =>
  openSecret(world.table, ring, identity, await readSecrets(world.table, identity), name, Secret);

async function expectAll(identities: readonly string[]): Promise<void> {
  for (const identity of identities) {
    for (const name of NAMES) expect(await open(identity, name)).toEqual({ value: `${identity} ${name}` });
  }
}

const rotate = (more: Partial<Parameters<typeof rotateSecrets>[0]> = {}) =>
  rotateSecrets({ ...world.services, keyring, graceMs: 0, ...more });

const keys = () => store.read().keys;

describe("the envelope of a cluster's secrets", () => {
  test("an envelope that was copied to another item or another cluster is not opened", async () => {
    const [one, other] = [await keep(), await keep()];
    const held = await readSecrets(world.table, one);
    const copied = new Map([...held, ["OIDC", { ...secretKey(one, "OIDC"), sealed: held.get("CA")?.sealed }]]);
    await expect(openSecret(world.table, keyring, one, copied, "OIDC", Secret)).rejects.toThrow(UnsealError);
    // Copied with its data key: it is not opened either, because the data key belongs to another cluster.
    await expect(openSecret(world.table, keyring, other, held, "CA", Secret)).rejects.toThrow(UnsealError);
  });

  test("an envelope is not opened with another keyring or in another table", async () => {
    const one = await keep();
    await expect(open(one, "CA", createLocalKeyring(createMemoryKeyStore()))).rejects.toThrow(/is not in the keyring/);
    const held = await readSecrets(world.table, one);
    const elsewhere = { ...world.table, name: "another" };
    await expect(openSecret(elsewhere, keyring, one, held, "CA", Secret)).rejects.toThrow(UnsealError);
  });

  test("a missing envelope is read as undefined", async () => {
    expect(await open(randomUUID(), "CA")).toBeUndefined();
  });
});

/** Returns the encrypted part of a secret's item. */
const secretIn = (item: Json) => item.sealed ?? item.ciphertext;

describe("a rotation of the encryption key", () => {
  test("a rotation encrypts everything with new data keys under a new key, and removes the old key", async () => {
    const identities = [await keep(), await keep(), await keep()];
    const [old] = keys();
    const before = new Map<string, unknown>();
    for await (const item of world.table.scan()) before.set(`${item.pk} ${item.sk}`, secretIn(item));
    expect(await rotate()).toEqual({ resumed: false, clusters: 3, credentials: 0 });
    await expectAll(identities);
    expect(keys()).toHaveLength(1);
    expect(keys()[0]?.id).not.toBe(old?.id);
    for await (const item of world.table.scan()) {
      if (["secrets-rotation", "keyring"].includes(String(item.entity))) continue;
      expect(secretIn(item)).not.toEqual(before.get(`${item.pk} ${item.sk}`));
    }
  });

  test("a rotation that is interrupted at any call is completed by the next one, which repeats nothing", async () => {
    let cut = 0;
    for (let call = 0; ; call++) {
      await empty();
      const identities = [await keep(), await keep()];
      let sent = 0;
      world.wire.fault = () => (sent++ === call ? (call % 2 === 0 ? "before" : "after") : undefined);
      const result = await rotate().catch(() => undefined);
      world.wire.fault = () => undefined;
      await expectAll(identities);
      if (result !== undefined) break;
      cut++;
      const before = keys().at(-1)?.id;
      const again = await rotate();
      await expectAll(identities);
      expect(keys()).toHaveLength(1);
      if (again.resumed) expect(keys()[0]?.id).toBe(before);
    }
    expect(cut).toBeGreaterThan(5);
  });

  test("a rotation concurrent with writers and readers of secrets leaves every secret readable", async () => {
    const identities = await Promise.all(Array.from({ length: 8 }, () => keep()));
    let isOver = false;
    const reading = (async () => {
      while (!isOver) await expectAll(identities.slice(0, 4));
    })();
    const making = (async () => {
      while (!isOver) identities.push(await keep());
    })();
    await rotate();
    await rotate();
    isOver = true;
    await Promise.all([reading, making]);
    await expectAll(identities);
    for await (const item of world.table.scan()) {
      if (item.sk === secretKey(randomUUID(), DATA_KEY).sk)
        expect(keys().map(({ id }) => id)).toContain(dataKeyEntity.read(item).wrappedBy);
    }
  });

  test("a rotation leaves secrets readable that another writer adds to the same cluster", async () => {
    const one = await keep();
    let isAdded = false;
    const slow: Keyring = {
      ...keyring,
      async generate(context) {
        const made = await keyring.generate(context);
        if (!isAdded) {
          isAdded = true;
          const vault = await openVault(world.table, keyring, one, await readSecrets(world.table, one));
          const transaction = new Transaction();
          vault?.bindTo(transaction);
          const sealed = vault?.seal("LATE", { value: "late" });
          transaction.create("LATE", { ...secretKey(one, "LATE"), sealed });
          expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
        }
        return made;
      },
    };
    expect(await rotate({ keyring: slow })).toEqual({ resumed: false, clusters: 1, credentials: 0 });
    expect(isAdded).toBe(true);
    await expectAll([one]);
    expect(await open(one, "LATE")).toEqual({ value: "late" });
    expect(await rotate()).toEqual({ resumed: false, clusters: 1, credentials: 0 });
    expect(await open(one, "LATE")).toEqual({ value: "late" });
  });

  test("a rotation that fails for one cluster encrypts all others, and keeps the old key until that one succeeds", async () => {
    const whole = await Promise.all(Array.from({ length: 3 }, () => keep()));
    const [old] = keys();
    const elsewhere = createLocalKeyring(createMemoryKeyStore());
    const lost = await keep(world.table.name, elsewhere);
    await expect(rotate()).rejects.toThrow(
      new RegExp(`^failed to replace one data key.*: cluster ${lost}: the key .* is not in`),
    );
    await expectAll(whole);
    expect(keys()[0]).toEqual(old);
    const held = await readSecrets(world.table, lost);
    const transaction = new Transaction();
    for (const item of held.values()) transaction.delete(item.sk, item);
    expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
    expect(await rotate()).toEqual({ resumed: true, clusters: 0, credentials: 0 });
    await expectAll(whole);
    expect(keys()).toHaveLength(1);
    expect(keys()[0]).not.toEqual(old);
  });

  test("two concurrent rotations leave every secret readable", async () => {
    const identities = await Promise.all(Array.from({ length: 4 }, () => keep()));
    await Promise.all([rotate(), rotate()]);
    await expectAll(identities);
  });

  test("a rotation in a restored table makes its secrets readable there, also after an interruption", async () => {
    const brought = [await keep("former"), await keep("former")];
    await expect(rotate()).rejects.toThrow("failed to replace 2 data keys");
    // Restored with an interrupted rotation of the other table. The rotation of this table was created after that.
    brought.push(await keep("former"));
    const own = await keep();
    let writes = 0;
    world.wire.fault = ({ operation }) => (operation === "TransactWriteItems" && ++writes > 3 ? "before" : undefined);
    await expect(rotate({ fromTable: "former" })).rejects.toThrow();
    world.wire.fault = () => undefined;
    expect(await rotate({ fromTable: "former" })).toEqual({ resumed: true, clusters: 3, credentials: 0 });
    await expectAll([...brought, own]);
    expect(keys()).toHaveLength(1);
    // From now on they belong to this table.
    expect(await rotate()).toEqual({ resumed: false, clusters: 4, credentials: 0 });
    await expectAll([...brought, own]);
  });

  test("a rotation with secrets that belong to another table is refused", async () => {
    await keep("former");
    await expect(rotate({ fromTable: "other" })).rejects.toThrow("failed to replace one data key");
  });
});
