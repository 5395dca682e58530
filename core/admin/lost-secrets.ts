/** Discards secrets whose key is lost, so that clusters get new ones. */

import { markDueForRetry } from "../cluster/store/pointer.ts";
import {
  CERTIFICATE_AUTHORITY,
  clientNameOf,
  OIDC_CLIENT,
  type OidcClient,
  oidcClientEntity,
} from "../cluster-access/entity.ts";
import type { Services } from "../context.ts";
import { cloudSecretEntity } from "../secrets/cloud-secrets.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { recordKeys } from "../secrets/keyring-record.ts";
import { DATA_KEY, dataKeyEntity, readSecrets } from "../secrets/vault.ts";
import { AppError } from "../shared/errors.ts";
import { backoff, deadlineIn } from "../shared/retry.ts";
import { cloudSecretKey, keyText, organisationOf, secretKey } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";

/** Services of a search for lost secrets. */
interface LostSecretsSearch extends Pick<Services, "table" | "clock" | "writeTimeoutMs"> {
  readonly keyring: Keyring;
  /** True if the issuer of all clusters is lost, with its clients. */
  readonly isIssuerLost: boolean;
}

/** Lost secrets of one cluster. */
interface LostSecrets {
  clusterIdentity: string;
  /** True if all encrypted secrets are lost, including the private key of the certificate authority. */
  dataKey: boolean;
  /** Client that is replaced by a new one. It remains at its issuer, where an operator has to remove it. */
  oidcClient: { issuer: string | undefined; clientId: string | undefined; name: string } | undefined;
}

/** Cloud credentials whose secrets are lost. */
interface LostCredentials {
  /** Slug. */
  organisation: string;
  credentialsIdentity: string;
}

const clientOf = ({ clusterIdentity, issuer, clientId }: OidcClient): LostSecrets["oidcClient"] => ({
  issuer,
  clientId,
  name: clientNameOf(clusterIdentity),
});

/**
 * Finds the clusters whose secrets the keyring cannot decrypt, because it lacks the key. Reads the whole table.
 *
 * @throws AppError invalid for a keyring that cannot lose keys; unavailable if the database cannot be reached
 */
export async function findLostSecrets({ table, keyring, isIssuerLost }: LostSecretsSearch): Promise<LostSecrets[]> {
  const present = await presentKeys(keyring);
  const lost = new Set<string>();
  const clients = new Map<string, OidcClient>();
  for await (const item of table.scan()) {
    if (item.entity === dataKeyEntity.name) {
      const { clusterIdentity, wrappedBy } = dataKeyEntity.read(item);
      if (!present.includes(wrappedBy)) lost.add(clusterIdentity);
    } else if (item.entity === oidcClientEntity.name) {
      const client = oidcClientEntity.read(item);
      clients.set(client.clusterIdentity, client);
    }
  }
  const identities = new Set([...lost, ...(isIssuerLost ? clients.keys() : [])]);
  return [...identities].sort().map((clusterIdentity) => {
    const client = clients.get(clusterIdentity);
    return { clusterIdentity, dataKey: lost.has(clusterIdentity), oidcClient: client && clientOf(client) };
  });
}

/** Lists the keys of a keyring. @throws AppError invalid if it cannot lose keys */
async function presentKeys(keyring: Keyring): Promise<readonly string[]> {
  const present = await keyring.ids();
  if (present !== undefined) return present;
  throw new AppError("invalid", "secrets.not_discardable", [
    "KMS_KEY_ID: is set, but secrets can only be discarded if keys.json or KEYS_FILE is lost. " +
      "If a KMS key is permanently lost, use `cluster forget` for its clusters.",
  ]);
}

/**
 * Finds the cloud credentials whose secrets the keyring cannot decrypt, because it lacks the key. Reads the whole table.
 *
 * @throws AppError invalid for a keyring that cannot lose keys; unavailable if the database cannot be reached
 */
export async function findLostCredentials({ table, keyring }: LostSecretsSearch): Promise<LostCredentials[]> {
  const present = await presentKeys(keyring);
  const lost: LostCredentials[] = [];
  for await (const item of table.scan()) {
    if (item.entity !== cloudSecretEntity.name) continue;
    const { credentialsIdentity, wrappedBy } = cloudSecretEntity.read(item);
    if (!present.includes(wrappedBy)) lost.push({ organisation: organisationOf(item) ?? "", credentialsIdentity });
  }
  return lost.sort((one, other) => (one.credentialsIdentity < other.credentialsIdentity ? -1 : 1));
}

/**
 * Discards the secrets that `findLostCredentials` found. The credentials keep their identity, and an admin gives them secrets again. Call
 * it before `discardLostSecrets`, which then forgets the lost keys.
 *
 * @throws AppError unavailable as `commit`
 */
export async function discardLostCredentials(
  { table, keyring, writeTimeoutMs }: LostSecretsSearch,
  lost: readonly LostCredentials[],
): Promise<void> {
  const present = await presentKeys(keyring);
  for (const { organisation, credentialsIdentity } of lost) {
    const key = cloudSecretKey(organisation, credentialsIdentity);
    const item = (await table.get([key])).get(keyText(key));
    const secret = item && cloudSecretEntity.read(item);
    // An admin has written them again.
    if (secret === undefined || present.includes(secret.wrappedBy)) continue;
    const unchanged = { condition: "#ciphertext = :before", values: { ":before": secret.ciphertext } };
    await commit(table, new Transaction().delete("secret", key, unchanged), deadlineIn(writeTimeoutMs));
  }
}

/**
 * Discards the secrets that `findLostSecrets` found. A cluster keeps its certificate and its bootstrap tokens. It loses the private
 * key of its certificate authority, and becomes due, so that the reconciler registers a new OIDC client. If interrupted, call it
 * again.
 *
 * @throws AppError unavailable as `commit`
 */
export async function discardLostSecrets(search: LostSecretsSearch, lost: readonly LostSecrets[]): Promise<void> {
  for (const each of lost) await discard(search, each);
  await recordKeys(search, async (_, present) => present);
}

async function discard(search: LostSecretsSearch, { clusterIdentity, dataKey }: LostSecrets): Promise<void> {
  const { table, clock, keyring, writeTimeoutMs } = search;
  const deadline = deadlineIn(writeTimeoutMs);
  const present = (await keyring.ids()) ?? [];
  for (let round = 1, isDeleted = false; ; round++) {
    const secrets = await readSecrets(table, clusterIdentity);
    const transaction = new Transaction();
    const keyItem = secrets.get(DATA_KEY);
    const data = keyItem && dataKeyEntity.read(keyItem);
    if (dataKey && data !== undefined && !present.includes(data.wrappedBy)) {
      transaction.delete("data-key", secretKey(clusterIdentity, DATA_KEY), {
        condition: "#keyId = :keyId",
        values: { ":keyId": data.keyId },
      });
      if (secrets.has(CERTIFICATE_AUTHORITY)) {
        const key = secretKey(clusterIdentity, CERTIFICATE_AUTHORITY);
        transaction.update("certificate-authority", key, "REMOVE #sealed", { condition: "attribute_exists(#pk)" });
      }
    }
    if (secrets.has(OIDC_CLIENT)) transaction.delete("oidc-client", secretKey(clusterIdentity, OIDC_CLIENT));
    if (transaction.size === 0) return;
    if (!isDeleted) markDueForRetry(transaction, clusterIdentity, clock().toISOString());
    const failures = await commit(table, transaction, deadline);
    if (failures.length === 0) return;
    // A deleted cluster cannot become due, but its remaining secrets are still discarded.
    isDeleted ||= failures.some(({ label }) => label === "pointer");
    if (deadline.expired()) throw writeTimedOut();
    await backoff(round, deadline);
  }
}
