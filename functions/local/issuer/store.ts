/** What the local issuer keeps: its keys and the clients registered with it in a file, all else as long as it runs. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { exportJWK, generateKeyPair } from "jose";
import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";
import * as v from "valibot";
import { writePrivately } from "../private-file.ts";

/** Kinds of records without which a client could not be used or managed after a restart. */
const KEPT = new Set(["Client", "RegistrationAccessToken"]);

interface Entry {
  payload: AdapterPayload;
  /** Milliseconds since the epoch; absent where it stays. */
  until?: number | undefined;
}

/** What stands in the file. */
const Kept = v.object({
  keys: v.array(v.looseObject({ kty: v.string() })),
  cookieKeys: v.array(v.string()),
  initialAccessToken: v.string(),
  /** By kind and id, such as `Client:abc`. */
  entries: v.record(v.string(), v.object({ payload: v.looseObject({}), until: v.optional(v.number()) })),
});
type Kept = v.InferOutput<typeof Kept>;

async function firstKept(): Promise<Kept> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const random = () => randomBytes(32).toString("base64url");
  const key = { ...(await exportJWK(privateKey)), kty: "RSA", alg: "RS256", use: "sig" };
  return { keys: [key], cookieKeys: [random()], initialAccessToken: random(), entries: {} };
}

/** What the issuer is made with. */
export interface IssuerStore extends Omit<Kept, "entries"> {
  adapter: AdapterFactory;
}

/**
 * Opens the store.
 *
 * @param file written with every change of what is kept, for its user alone to read; undefined keeps nothing
 */
export async function openIssuerStore(file: string | undefined): Promise<IssuerStore> {
  const kept = file !== undefined && existsSync(file) ? keptIn(file) : await firstKept();
  const entries = new Map<string, Entry>(Object.entries(kept.entries));
  const save = () => {
    if (file === undefined) return;
    const durable = [...entries].filter(([key]) => KEPT.has(key.split(":")[0] ?? ""));
    writePrivately(file, JSON.stringify({ ...kept, entries: Object.fromEntries(durable) }));
  };
  save();
  return { ...kept, adapter: (kind) => adapterOf(kind, entries, save) };
}

function keptIn(file: string): Kept {
  try {
    return v.parse(Kept, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // What went wrong would be told with what stands in the file.
    throw new Error(`${file} is not what the local OIDC issuer wrote: remove it, and clusters get new clients`);
  }
}

function adapterOf(kind: string, entries: Map<string, Entry>, save: () => void): Adapter {
  const changed = () => {
    if (KEPT.has(kind)) save();
  };
  const isAlive = ({ until }: Entry) => until === undefined || until > Date.now();
  const own = () => [...entries].filter(([key]) => key.startsWith(`${kind}:`));
  const findWhere = (fits: (payload: AdapterPayload) => boolean) =>
    own().find(([, entry]) => isAlive(entry) && fits(entry.payload))?.[1].payload;
  const remove = (keys: readonly string[]) => {
    for (const key of keys) entries.delete(key);
    if (keys.length > 0) changed();
  };
  return {
    async upsert(id, payload, seconds) {
      remove(own().flatMap(([key, entry]) => (isAlive(entry) ? [] : [key])));
      entries.set(`${kind}:${id}`, { payload, ...(seconds ? { until: Date.now() + seconds * 1_000 } : {}) });
      changed();
    },
    async find(id) {
      const entry = entries.get(`${kind}:${id}`);
      return entry !== undefined && isAlive(entry) ? entry.payload : undefined;
    },
    findByUserCode: async (userCode) => findWhere((payload) => payload.userCode === userCode),
    findByUid: async (uid) => findWhere((payload) => payload.uid === uid),
    async consume(id) {
      const entry = entries.get(`${kind}:${id}`);
      if (entry !== undefined) entry.payload.consumed = Math.floor(Date.now() / 1_000);
    },
    destroy: async (id) => remove([`${kind}:${id}`]),
    revokeByGrantId: async (grantId) =>
      remove(own().flatMap(([key, { payload }]) => (payload.grantId === grantId ? [key] : []))),
  };
}
