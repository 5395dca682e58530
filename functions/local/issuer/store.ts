/** Storage of the local issuer: keys and clients in an encrypted file, everything else in memory. */

import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";
import * as v from "valibot";
import type { Keyring } from "#core/secrets/keyring.ts";
import { AppError, errorText } from "#core/shared/errors.ts";
import { type EncryptedFile, openEncryptedFile } from "./sealed-file.ts";

/** Kinds of records that clients need after a restart. */
const PERSISTED_KINDS = new Set(["Client", "RegistrationAccessToken"]);

interface Entry {
  payload: AdapterPayload;
  /** Expiry, milliseconds since the epoch; absent if it does not expire. */
  until?: number | undefined;
}

/** Content of the file. */
const PersistedState = v.object({
  keys: v.array(v.looseObject({ kty: v.string() })),
  cookieKeys: v.array(v.string()),
  initialAccessToken: v.string(),
  /** By kind and id, such as `Client:abc`. */
  entries: v.record(v.string(), v.object({ payload: v.looseObject({}), until: v.optional(v.number()) })),
});
type PersistedState = v.InferOutput<typeof PersistedState>;

async function createState(): Promise<PersistedState> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const random = () => randomBytes(32).toString("base64url");
  const key = { ...(await exportJWK(privateKey)), kty: "RSA", alg: "RS256", use: "sig" };
  return { keys: [key], cookieKeys: [random()], initialAccessToken: random(), entries: {} };
}

/** Keys, tokens and storage adapter for the issuer. */
export interface IssuerStore extends Omit<PersistedState, "entries"> {
  adapter: AdapterFactory;
}

/** Location of the issuer's file. */
export interface IssuerLocation {
  /** `issuer.json` in the data directory. */
  file: string;
  /** Keyring that encrypts the file. */
  keyring: Keyring;
}

/** Opens the file of the local issuer. */
export const openIssuerFile = ({ file, keyring }: IssuerLocation): EncryptedFile =>
  openEncryptedFile(file, keyring, "local-oidc-issuer");

/**
 * Opens the store.
 *
 * @param location file of the state, which is written at every persisted change. An unencrypted file of an older release is read and
 *   encrypted. Undefined stores everything in memory
 * @throws AppError invalid if the file cannot be decrypted, or has an unknown content; unavailable as the keyring
 */
export async function openIssuerStore(location: IssuerLocation | undefined): Promise<IssuerStore> {
  const file = location && openIssuerFile(location);
  const found = location && (await readState(location));
  const state = found?.state ?? (await createState());
  const entries = new Map<string, Entry>(Object.entries(state.entries));
  const textNow = () => {
    const persisted = [...entries].filter(([key]) => PERSISTED_KINDS.has(key.split(":")[0] ?? ""));
    return JSON.stringify({ ...state, entries: Object.fromEntries(persisted) });
  };
  const save = async () => await file?.write(textNow);
  if (found?.isPlain !== false) await save();
  return { ...state, adapter: (kind) => adapterOf(kind, entries, save) };
}

/** @returns undefined if the file does not exist */
async function readState(location: IssuerLocation): Promise<{ state: PersistedState; isPlain: boolean } | undefined> {
  try {
    const opened = await openIssuerFile(location).read();
    return opened && { state: parseState(location.file, opened.text), isPlain: opened.isPlain };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("invalid", "issuer.unreadable", [
      `${errorText(error)}. Restore the file from a backup. If it is lost, stop the server and run ` +
        "`npm run admin -- secrets discard`: it lists the clients that are lost with it, and removes them with --yes.",
    ]);
  }
}

/** Returns whether the file of the issuer is missing or cannot be read. @throws AppError unavailable as the keyring */
export async function isIssuerLost(location: IssuerLocation): Promise<boolean> {
  try {
    return (await readState(location)) === undefined;
  } catch (error) {
    if (error instanceof AppError && error.kind === "invalid") return true;
    throw error;
  }
}

function parseState(file: string, text: string): PersistedState {
  const parsed = v.safeParse(PersistedState, JSON.parse(text));
  // Do not pass the issues on: they contain parts of the file.
  if (!parsed.success) throw new Error(`${file} is not a file of the local OIDC issuer`);
  return parsed.output;
}

function adapterOf(kind: string, entries: Map<string, Entry>, save: () => Promise<void>): Adapter {
  const changed = async () => {
    if (PERSISTED_KINDS.has(kind)) await save();
  };
  const isAlive = ({ until }: Entry) => until === undefined || until > Date.now();
  const own = () => [...entries].filter(([key]) => key.startsWith(`${kind}:`));
  const findWhere = (fits: (payload: AdapterPayload) => boolean) =>
    own().find(([, entry]) => isAlive(entry) && fits(entry.payload))?.[1].payload;
  const drop = (keys: readonly string[]) => {
    for (const key of keys) entries.delete(key);
  };
  const remove = async (keys: readonly string[]) => {
    drop(keys);
    if (keys.length > 0) await changed();
  };
  return {
    async upsert(id, payload, seconds) {
      drop(own().flatMap(([key, entry]) => (isAlive(entry) ? [] : [key])));
      entries.set(`${kind}:${id}`, { payload, ...(seconds ? { until: Date.now() + seconds * 1_000 } : {}) });
      await changed();
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
      drop(own().flatMap(([key, { payload }]) => (payload.grantId === grantId ? [key] : []))),
  };
}
