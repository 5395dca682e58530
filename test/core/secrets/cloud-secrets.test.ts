import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { findInconsistencies } from "#core/admin/integrity/organisation.ts";
import { discardLostCredentials, discardLostSecrets, findLostCredentials } from "#core/admin/lost-secrets.ts";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import { cloudSecretEntity, readCredentials, sealCredentials } from "#core/secrets/cloud-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { requireKeys } from "#core/secrets/keyring-record.ts";
import { createLocalKeyring, createMemoryKeyStore, type KeyStore } from "#core/secrets/local-keyring.ts";
import { UnsealError } from "#core/secrets/seal.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { cloudSecretKey, keyText } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const ORGANISATION = "acme";

let world: World;
let store: KeyStore;
let keyring: Keyring;

beforeEach(async () => {
  world = await makeWorld({ maxAttempts: 1 });
  store = createMemoryKeyStore();
  keyring = createLocalKeyring(store);
});

/** Stores secrets as the API does. @returns the identity of the credentials */
async function keep({
  table = world.table.name,
  ring = keyring,
  identity = randomUUID() as string,
  apiKey = undefined as string | undefined,
} = {}) {
  const secrets = { apiKey: apiKey ?? `key of ${identity}` };
  const now = new Date().toISOString();
  const item = await sealCredentials({ ...world.table, name: table }, ring, ORGANISATION, identity, secrets, now);
  expect(await commit(world.table, new Transaction().put("secret", item), deadlineIn())).toEqual([]);
  return identity;
}

const read = (identity: string, ring = keyring) => readCredentials(world.table, ring, ORGANISATION, identity);
const itemOf = async (identity: string) => {
  const key = cloudSecretKey(ORGANISATION, identity);
  const item = (await world.table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error("no secret");
  return item;
};

async function expectAll(identities: readonly string[]): Promise<void> {
  for (const identity of identities) expect(await read(identity)).toEqual({ apiKey: `key of ${identity}` });
}

const rotate = (more: Partial<Parameters<typeof rotateSecrets>[0]> = {}) =>
  rotateSecrets({ ...world.services, keyring, graceMs: 0, ...more });

describe("the secrets of cloud credentials", () => {
  test("secrets that were copied to other credentials, another organisation or another table are not decrypted", async () => {
    const [one, other] = [await keep(), await keep()];
    const { pk: _, sk: _sk, ...stolen } = cloudSecretEntity.read(await itemOf(one));
    const copies = [
      [ORGANISATION, { ...stolen, credentialsIdentity: other }, other],
      ["another", stolen, one],
    ] as const;
    for (const [organisation, copied, identity] of copies) {
      const item = cloudSecretEntity.write(cloudSecretKey(organisation, identity), copied);
      expect(await commit(world.table, new Transaction().put("secret", item), deadlineIn())).toEqual([]);
      await expect(readCredentials(world.table, keyring, organisation, identity)).rejects.toThrow(UnsealError);
    }
    const elsewhere = { ...world.table, name: "another" };
    const item = await itemOf(one);
    const reading = readCredentials(
      { ...elsewhere, get: async () => new Map([[keyText(item), item]]) },
      keyring,
      ORGANISATION,
      one,
    );
    await expect(reading).rejects.toThrow(UnsealError);
    await expectAll([one]);
  });

  test("the data key and the ciphertext are each bound to their place", async () => {
    const contexts: unknown[] = [];
    const recording: Keyring = {
      ...keyring,
      generate: (context) => {
        contexts.push(context);
        return keyring.generate(context);
      },
    };
    const identity = await keep({ ring: recording });
    expect(contexts).toEqual([{ table: world.table.name, organisation: ORGANISATION, credentials: identity }]);
    // With a keyring that does not check contexts, the ciphertext is still bound.
    const careless: Keyring = {
      ...keyring,
      generate: () => keyring.generate({}),
      unwrap: (wrapped) => keyring.unwrap(wrapped, {}),
    };
    const one = await keep({ ring: careless });
    expect(await read(one, careless)).toEqual({ apiKey: `key of ${one}` });
    const { pk: _, sk: _sk, ...stolen } = cloudSecretEntity.read(await itemOf(one));
    const item = cloudSecretEntity.write(cloudSecretKey("another", one), stolen);
    expect(await commit(world.table, new Transaction().put("secret", item), deadlineIn())).toEqual([]);
    await expect(readCredentials(world.table, careless, "another", one)).rejects.toThrow(UnsealError);
  });

  test("secrets are not decrypted with another keyring, and missing ones are undefined", async () => {
    const one = await keep();
    await expect(read(one, createLocalKeyring(createMemoryKeyStore()))).rejects.toThrow(/is not in the keyring/);
    expect(await read(randomUUID())).toBeUndefined();
  });

  test("equal secrets are encrypted differently", async () => {
    const identity = await keep();
    const before = cloudSecretEntity.read(await itemOf(identity));
    const after = cloudSecretEntity.read(await itemOf(await keep({ identity })));
    expect([after.ciphertext, after.dataKey]).not.toContain(before.ciphertext);
    expect(after.dataKey).not.toBe(before.dataKey);
  });
});

describe("a rotation of the encryption key", () => {
  test("a rotation encrypts secrets with new data keys under a new key, and removes the old key", async () => {
    const identities = [await keep(), await keep(), await keep()];
    const [old] = store.read().keys;
    const before = await Promise.all(identities.map(itemOf));
    expect(await rotate()).toEqual({ resumed: false, clusters: 0, credentials: 3 });
    await expectAll(identities);
    expect(store.read().keys.map(({ id }) => id)).not.toContain(old?.id);
    for (const [at, identity] of identities.entries()) {
      const [one, other] = [before[at], await itemOf(identity)].map((item) => cloudSecretEntity.read(item as never));
      expect(one?.dataKey).not.toBe(other?.dataKey);
      expect(one?.ciphertext).not.toBe(other?.ciphertext);
    }
  });

  test("a rotation that is interrupted at any call is completed by the next one", async () => {
    let cut = 0;
    for (let call = 0; ; call++) {
      const identities = [await keep(), await keep()];
      let sent = 0;
      world.wire.fault = () => (sent++ === call ? (call % 2 === 0 ? "before" : "after") : undefined);
      const result = await rotate().catch(() => undefined);
      world.wire.fault = () => undefined;
      await expectAll(identities);
      if (result !== undefined) break;
      cut++;
      await rotate();
      await expectAll(identities);
      expect(store.read().keys).toHaveLength(1);
      const transaction = new Transaction();
      for (const identity of identities) transaction.delete("secret", cloudSecretKey(ORGANISATION, identity));
      expect(await commit(world.table, transaction, deadlineIn())).toEqual([]);
    }
    expect(cut).toBeGreaterThan(5);
  });

  test("a rotation leaves secrets readable that are replaced while it encrypts the old ones", async () => {
    const identity = await keep();
    let isReplaced = false;
    const slow: Keyring = {
      ...keyring,
      async generate(context) {
        const made = await keyring.generate(context);
        if (!isReplaced) {
          isReplaced = true;
          await keep({ identity, apiKey: "another" });
        }
        return made;
      },
    };
    const [old] = store.read().keys;
    await rotate({ keyring: slow });
    expect(isReplaced).toBe(true);
    expect(await read(identity)).toEqual({ apiKey: "another" });
    expect(store.read().keys.map(({ id }) => id)).not.toContain(old?.id);
  });

  test("a rotation that fails for some secrets encrypts all others, and keeps the old key", async () => {
    const whole = [await keep(), await keep()];
    const [old] = store.read().keys;
    const lost = await keep({ ring: createLocalKeyring(createMemoryKeyStore()) });
    await expect(rotate()).rejects.toThrow(
      new RegExp(`^failed to replace one data key.*: credentials ${lost}: the key`),
    );
    await expectAll(whole);
    expect(store.read().keys[0]).toEqual(old);
  });

  test("a rotation in a restored table makes its secrets readable there", async () => {
    const brought = [await keep({ table: "former" }), await keep({ table: "former" })];
    const own = await keep();
    await expect(read(brought[0] ?? "")).rejects.toThrow(UnsealError);
    expect(await rotate({ fromTable: "former" })).toEqual({ resumed: false, clusters: 0, credentials: 3 });
    await expectAll([...brought, own]);
  });
});

describe("lost keys", () => {
  test("a start without the key of cloud credentials is refused, also without a record of the keys", async () => {
    await keep();
    const [key] = store.read().keys;
    const empty = { ...world.services, keyring: createLocalKeyring(createMemoryKeyStore()) };
    await expect(requireKeys(empty, "keys.json")).rejects.toThrow(`with the key ${key?.id} of stored secrets`);
  });

  test("lost secrets are listed and removed, others stay", async () => {
    const kept = await keep();
    const lost = [
      await keep({ ring: createLocalKeyring(createMemoryKeyStore()) }),
      await keep({ ring: createLocalKeyring(createMemoryKeyStore()) }),
    ];
    const search = { ...world.services, keyring, isIssuerLost: false };
    const found = await findLostCredentials(search);
    expect(found).toEqual(
      lost.toSorted().map((credentialsIdentity) => ({ organisation: ORGANISATION, credentialsIdentity })),
    );
    // An admin writes one of them again in the meantime.
    const [again = "", gone = ""] = lost;
    await keep({ identity: again });
    await discardLostCredentials(search, found);
    await discardLostSecrets(search, []);
    expect(await findLostCredentials(search)).toEqual([]);
    await expectAll([kept, again]);
    expect(await read(gone)).toBeUndefined();
    await requireKeys(search, "keys.json");
  });
});

test("the check of the table reports secrets that belong to no credentials", async () => {
  const { slug } = await world.tenant();
  const stray = randomUUID();
  const item = await sealCredentials(world.table, keyring, slug, stray, { apiKey: "k" }, new Date().toISOString());
  expect(await commit(world.table, new Transaction().put("secret", item), deadlineIn())).toEqual([]);
  expect(await findInconsistencies(world.services, slug)).toEqual([
    { where: `organisation ${slug}: secrets of no credentials`, text: `is ["${stray}"], should be []` },
  ]);
});
