/** Storage of the local issuer: keys and clients in an encrypted file, everything else in memory. */

import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";
import * as v from "valibot";
import type { Keyring } from "#core/secrets/keyring.ts";
import { AppError, errorText } from "#core/shared/errors.ts";
import { type EncryptedFile, openEncryptedFile } from "./sealed-file.ts";
import { shareRuns } from "./share-runs.ts";

/** Kinds of records that clients need after a restart. */
const PERSISTED_KINDS = new Set(["Client", "RegistrationAccessToken"]);

interface Entry {
  payload: AdapterPayload;
  /** Expiry, milliseconds since the epoch; absent if it does not expire. */
  until?: number | undefined;
}

/** Entries of one kind, by id. */
type Entries = Map<string, Entry>;

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
  /** Removes all clients with a name, except those with some ids, and the access tokens of their registrations. */
  removeClients(name: string, kept: readonly string[]): Promise<void>;
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
  const kinds = new Map<string, Entries>();
  const entriesOf = (kind: string) => {
    const entries = kinds.get(kind) ?? new Map();
    kinds.set(kind, entries);
    return entries;
  };
  for (const [key, entry] of Object.entries(state.entries)) {
    const [kind = "", ...id] = key.split(":");
    entriesOf(kind).set(id.join(":"), entry);
  }
  const textOf = createFormatter(state, kinds);
  // Registrations at the same time share a write, because each write contains all clients.
  const save = shareRuns(async () => await file?.write(textOf));
  if (found?.isPlain !== false) await save();
  return {
    ...state,
    adapter: (kind) => adapterOf(entriesOf(kind), PERSISTED_KINDS.has(kind) ? save : undefined),
    async removeClients(name, kept) {
      const removed = [...entriesOf("Client")].filter(
        ([id, { payload }]) => payload.client_name === name && !kept.includes(id),
      );
      if (removed.length === 0) return;
      for (const [id] of removed) {
        entriesOf("Client").delete(id);
        for (const [token, { payload }] of entriesOf("RegistrationAccessToken")) {
          if (payload.clientId === id) entriesOf("RegistrationAccessToken").delete(token);
        }
      }
      await save();
    },
  };
}

/** Returns a function that formats the content of the file. It formats each entry once, because a persisted entry is only replaced. */
function createFormatter({ entries: _, ...state }: PersistedState, kinds: ReadonlyMap<string, Entries>): () => string {
  const formatted = new WeakMap<Entry, string>();
  const formatEntry = (key: string, entry: Entry) => {
    const text = formatted.get(entry) ?? `${JSON.stringify(key)}:${JSON.stringify(entry)}`;
    formatted.set(entry, text);
    return text;
  };
  return () => {
    const texts = [...PERSISTED_KINDS].flatMap((kind) =>
      [...(kinds.get(kind) ?? [])].map(([id, entry]) => formatEntry(`${kind}:${id}`, entry)),
    );
    return `${JSON.stringify(state).slice(0, -1)},"entries":{${texts.join(",")}}}`;
  };
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

/** @param save undefined if the entries are not persisted */
function adapterOf(entries: Entries, save: (() => Promise<void>) | undefined): Adapter {
  const isAlive = ({ until }: Entry) => until === undefined || until > Date.now();
  const findWhere = (fits: (payload: AdapterPayload) => boolean) =>
    [...entries.values()].find((entry) => isAlive(entry) && fits(entry.payload))?.payload;
  const dropWhere = (fits: (entry: Entry) => boolean) => {
    for (const [id, entry] of entries) if (fits(entry)) entries.delete(id);
  };
  return {
    async upsert(id, payload, seconds) {
      dropWhere((entry) => !isAlive(entry));
      entries.set(id, { payload, ...(seconds ? { until: Date.now() + seconds * 1_000 } : {}) });
      await save?.();
    },
    async find(id) {
      const entry = entries.get(id);
      return entry !== undefined && isAlive(entry) ? entry.payload : undefined;
    },
    findByUserCode: async (userCode) => findWhere((payload) => payload.userCode === userCode),
    findByUid: async (uid) => findWhere((payload) => payload.uid === uid),
    async consume(id) {
      const entry = entries.get(id);
      if (entry !== undefined) entry.payload.consumed = Math.floor(Date.now() / 1_000);
    },
    async destroy(id) {
      entries.delete(id);
      await save?.();
    },
    revokeByGrantId: async (grantId) => dropWhere(({ payload }) => payload.grantId === grantId),
  };
}
