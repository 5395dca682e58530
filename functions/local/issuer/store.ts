/** What the local issuer keeps: its keys and clients in an encrypted file, all else as long as it runs. */

import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";
import * as v from "valibot";
import type { Keyring } from "#core/secrets/keyring.ts";
import { AppError, errorText } from "#core/shared/errors.ts";
import { type EncryptedFile, encryptedFile } from "./sealed-file.ts";

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

/** Where the issuer keeps what lasts. */
export interface IssuerPlace {
  /** `issuer.json` in the data directory. */
  file: string;
  /** What encrypts it. */
  keyring: Keyring;
}

/** Opens the file of the local issuer. */
export const issuerFile = ({ file, keyring }: IssuerPlace): EncryptedFile =>
  encryptedFile(file, keyring, "local-oidc-issuer");

/**
 * Opens the store.
 *
 * @param place the file is written with every change of what is kept. One that an older release did not encrypt is read and
 *   encrypted. Undefined keeps nothing
 * @throws AppError invalid where the file cannot be decrypted, or is not what this wrote; unavailable as the keyring
 */
export async function openIssuerStore(place: IssuerPlace | undefined): Promise<IssuerStore> {
  const file = place && issuerFile(place);
  const found = place && (await readKept(place));
  const kept = found?.kept ?? (await firstKept());
  const entries = new Map<string, Entry>(Object.entries(kept.entries));
  const textNow = () => {
    const durable = [...entries].filter(([key]) => KEPT.has(key.split(":")[0] ?? ""));
    return JSON.stringify({ ...kept, entries: Object.fromEntries(durable) });
  };
  const save = async () => await file?.write(textNow);
  if (found?.isPlain !== false) await save();
  return { ...kept, adapter: (kind) => adapterOf(kind, entries, save) };
}

/** @returns undefined where there is no file */
async function readKept(place: IssuerPlace): Promise<{ kept: Kept; isPlain: boolean } | undefined> {
  try {
    const opened = await issuerFile(place).read();
    return opened && { kept: keptIn(place.file, opened.text), isPlain: opened.isPlain };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("invalid", "issuer.unreadable", [
      `${errorText(error)}. Bring the file back from a backup. If it is lost, stop the server and run ` +
        "`npm run admin -- secrets discard`: it lists the clients that are lost with it, and removes them with --yes.",
    ]);
  }
}

/** Returns whether the file of the issuer is missing or cannot be read. @throws AppError unavailable as the keyring */
export async function isIssuerLost(place: IssuerPlace): Promise<boolean> {
  try {
    return (await readKept(place)) === undefined;
  } catch (error) {
    if (error instanceof AppError && error.kind === "invalid") return true;
    throw error;
  }
}

function keptIn(file: string, text: string): Kept {
  const parsed = v.safeParse(Kept, JSON.parse(text));
  // What does not fit would be told with what stands in the file.
  if (!parsed.success) throw new Error(`${file} is not what the local OIDC issuer wrote`);
  return parsed.output;
}

function adapterOf(kind: string, entries: Map<string, Entry>, save: () => Promise<void>): Adapter {
  const changed = async () => {
    if (KEPT.has(kind)) await save();
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
