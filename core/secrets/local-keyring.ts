/** Keyring on one machine, whose keys are stored outside of the database. */

import { randomBytes, randomUUID } from "node:crypto";
import * as v from "valibot";
import type { Keyring } from "./keyring.ts";
import { KEY_BYTES, seal, unseal } from "./seal.ts";

/** Keys, the newest last. */
export const LocalKeys = v.object({
  keys: v.pipe(
    v.array(v.object({ id: v.string(), key: v.pipe(v.string(), v.base64()), createdAt: v.string() })),
    v.minLength(1),
  ),
});
export type LocalKeys = v.InferOutput<typeof LocalKeys>;

/** Store of keys, for several processes at the same time. */
export interface KeyStore {
  /** Reads the keys. @returns undefined if there are none; @throws Error if they cannot be read */
  find(): LocalKeys | undefined;
  /** Reads the keys. @throws Error if there are none */
  read(): LocalKeys;
  /** Stores the first keys if there are none. @throws Error if this process may not create keys */
  create(first: () => LocalKeys): void;
  /** Updates the keys; no other process updates them meanwhile. */
  change(update: (before: LocalKeys) => LocalKeys): void;
}

/** Creates a store whose keys end with the process. @param first keys to begin with; undefined to generate them at the first use */
export function createMemoryKeyStore(first?: LocalKeys): KeyStore {
  let keys = first;
  const read = () => {
    keys ??= generateKeys();
    return keys;
  };
  return {
    find: () => keys,
    read,
    create: () => void read(),
    change(update) {
      keys = update(read());
    },
  };
}

function newKey() {
  return {
    id: randomUUID(),
    key: randomBytes(KEY_BYTES).toString("base64"),
    createdAt: new Date().toISOString(),
  };
}

/** Generates the keys of a new keyring. */
export const generateKeys = (): LocalKeys => ({ keys: [newKey()] });

/**
 * Creates a keyring of stored keys. Reads the store at every call, because another process may have rotated the keys.
 *
 * @param store store of the keys
 */
export function createLocalKeyring(store: KeyStore): Keyring {
  const read = () => store.read().keys;
  return {
    async generate(context) {
      const newest = read().at(-1);
      if (newest === undefined) throw new Error("the keyring is empty");
      const key = randomBytes(KEY_BYTES);
      const ciphertext = seal(Buffer.from(newest.key, "base64"), key, { ...context, wrappedBy: newest.id });
      return { key, wrapped: { wrappedBy: newest.id, ciphertext } };
    },
    async unwrap({ wrappedBy, ciphertext }, context) {
      const found = read().find(({ id }) => id === wrappedBy);
      if (found === undefined) throw new Error(`the key ${wrappedBy} is not in the keyring`);
      return unseal(Buffer.from(found.key, "base64"), ciphertext, { ...context, wrappedBy });
    },
    isCurrent: async (id) => read().at(-1)?.id === id,
    ids: async () => (store.find()?.keys ?? []).map(({ id }) => id),
    ensure: async () => store.create(generateKeys),
    async renew() {
      store.change(({ keys }) => ({ keys: [...keys, newKey()] }));
    },
    async retire(isUsed) {
      store.change(({ keys }) => ({ keys: keys.filter(({ id }, at) => at === keys.length - 1 || isUsed(id)) }));
    },
  };
}
