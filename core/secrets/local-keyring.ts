/** A keyring on one machine, whose keys lie beside the database and not in it. */

import { randomBytes, randomUUID } from "node:crypto";
import * as v from "valibot";
import type { Keyring } from "./keyring.ts";
import { KEY_BYTES, seal, unseal } from "./seal.ts";

/** The keys, the newest last. */
export const LocalKeys = v.object({
  keys: v.pipe(
    v.array(v.object({ id: v.string(), key: v.pipe(v.string(), v.base64()), createdAt: v.string() })),
    v.minLength(1),
  ),
});
export type LocalKeys = v.InferOutput<typeof LocalKeys>;

/** Where keys are kept. Several processes may do so at a time. */
export interface KeyStore {
  /** Reads the keys. @returns undefined where there are none; @throws Error where they cannot be read */
  find(): LocalKeys | undefined;
  /** Reads the keys. @throws Error where there are none */
  read(): LocalKeys;
  /** Stores the first keys, unless there are some. @throws Error where keys are only brought from elsewhere */
  create(first: () => LocalKeys): void;
  /** Replaces the keys by what becomes of them; no other process does so meanwhile. */
  change(become: (before: LocalKeys) => LocalKeys): void;
}

/** Keys that end with the process. */
export function memoryKeyStore(): KeyStore {
  let kept: LocalKeys | undefined;
  const read = () => {
    kept ??= firstKeys();
    return kept;
  };
  return {
    find: () => kept,
    read,
    create: () => void read(),
    change(become) {
      kept = become(read());
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

const firstKeys = (): LocalKeys => ({ keys: [newKey()] });

/**
 * Makes a keyring of kept keys. They are read anew each time, because another process may have rotated them.
 *
 * @param store where they are kept
 */
export function localKeyring(store: KeyStore): Keyring {
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
    ensure: async () => store.create(firstKeys),
    async renew() {
      store.change(({ keys }) => ({ keys: [...keys, newKey()] }));
    },
    async retire(isUsed) {
      store.change(({ keys }) => ({ keys: keys.filter(({ id }, at) => at === keys.length - 1 || isUsed(id)) }));
    },
  };
}
