/** Reads the sources of a translation that are not in the plan: organisation, cloud account and credentials. */

import type { Cluster } from "../../cluster/entity.ts";
import type { Services } from "../../context.ts";
import { readCredentials } from "../../secrets/cloud-secrets.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { LruCache } from "../../shared/lru-cache.ts";
import { keyText, organisationKey, referencesKey } from "../../table/keys.ts";
import { organisationEntity } from "../../tenancy/organisation.ts";
import { currentReferences } from "../../tenancy/references-cache.ts";
import type { CloudAccount, CloudCredentials } from "../../tenancy/references-entity.ts";
import { detailsByType } from "./account-details.ts";
import { typeOf } from "./build-input.ts";
import type { AccountDetails, TranslatedType } from "./input.ts";
import type { AccountSecrets } from "./provider.ts";

/** Services of `SourceReader`. */
export interface SourceServices extends Pick<Services, "table" | "referencesCache"> {
  readonly keyring: Keyring;
}

/** Stored data of the organisation and the cloud account of a cluster. */
export interface Sources {
  organisationIdentity: string;
  account: CloudAccount;
  /** Text that changes with the credentials of the cluster: their identity and revision; empty if it has none. */
  credentialsRevision: string;
  /** Identity of the credentials; undefined if the cluster has none. */
  credentialsIdentity: string | undefined;
}

/** Number of entries in each cache: organisations by cluster, and details by revision of credentials. */
const CACHE_ENTRIES = 50_000;

/** Types of providers with one identity for each cloud account. */
const SHARED_IDENTITY: ReadonlySet<TranslatedType> = new Set(["aws", "azure", "vsphere"]);

/** Reads the sources of clusters. */
export class SourceReader {
  readonly #services: SourceServices;
  readonly #organisations = new LruCache<string>(CACHE_ENTRIES);
  readonly #details = new LruCache<AccountDetails>(CACHE_ENTRIES);

  constructor(services: SourceServices) {
    this.#services = services;
  }

  /** Returns the identity of a cluster's organisation. @throws Error if the organisation does not exist */
  async organisationOf({ identity, organisation }: Cluster): Promise<string> {
    const known = this.#organisations.get(identity);
    if (known !== undefined) return known;
    const key = organisationKey(organisation);
    const item = (await this.#services.table.get([key])).get(keyText(key));
    if (item === undefined) throw new Error(`the organisation ${organisation} does not exist`);
    return this.#remember(identity, organisationEntity.read(item).identity);
  }

  /**
   * Reads the sources of a cluster. One round trip, and a second one if the references changed.
   *
   * @throws Error if the organisation or the cloud account does not exist
   */
  async read(cluster: Cluster): Promise<Sources> {
    const { table, referencesCache } = this.#services;
    const { organisation, cloudAccountIdentity } = cluster;
    const cached = referencesCache.get(organisation);
    const keys = [organisationKey(organisation), ...(cached === undefined ? [referencesKey(organisation)] : [])];
    const items = await table.get(keys);
    const item = items.get(keyText(organisationKey(organisation)));
    if (item === undefined) throw new Error(`the organisation ${organisation} does not exist`);
    const stored = organisationEntity.read(item);
    const read = items.get(keyText(referencesKey(organisation)));
    const references = await currentReferences(this.#services, stored, cached, read);
    const account = references?.accounts[cloudAccountIdentity];
    if (account === undefined) throw new Error(`the cloud account ${cloudAccountIdentity} does not exist`);
    const credentials = credentialsFor(cluster, account);
    return {
      organisationIdentity: this.#remember(cluster.identity, stored.identity),
      account,
      credentialsIdentity: credentials?.identity,
      credentialsRevision: credentials === undefined ? "" : `${credentials.identity}.${credentials.revision}`,
    };
  }

  /** Decrypts the credentials of a cluster. @returns undefined if it has none, or if none are stored */
  async findCredentials(
    { organisation }: Cluster,
    { credentialsIdentity }: Sources,
  ): Promise<AccountSecrets | undefined> {
    const { table, keyring } = this.#services;
    if (credentialsIdentity === undefined) return undefined;
    return await readCredentials(table, keyring, organisation, credentialsIdentity);
  }

  /** Decrypts the credentials of a cluster. @throws Error if it has none */
  async credentialsOf(cluster: Cluster, sources: Sources): Promise<AccountSecrets> {
    const secrets = await this.findCredentials(cluster, sources);
    if (secrets === undefined) {
      throw new Error(`the cloud account "${sources.account.displayName}" has no credentials; add credentials to it`);
    }
    return secrets;
  }

  /**
   * Returns the parts of a cluster's credentials that its objects contain. They are decrypted once for each revision.
   *
   * @returns undefined if the objects of its provider contain none
   * @throws Error if the cluster has no credentials
   */
  async accountDetailsOf(cluster: Cluster, sources: Sources): Promise<AccountDetails | undefined> {
    const take = detailsByType[typeOf(cluster)];
    if (take === undefined) return undefined;
    const known = this.#details.get(sources.credentialsRevision);
    if (known !== undefined) return known;
    const details = take(await this.credentialsOf(cluster, sources));
    this.#details.set(sources.credentialsRevision, details, 1);
    return details;
  }

  #remember(clusterIdentity: string, organisationIdentity: string): string {
    this.#organisations.set(clusterIdentity, organisationIdentity, 1);
    return organisationIdentity;
  }
}

/** Returns the credentials with which a cluster is built; undefined if its account has none. */
export function credentialsFor(cluster: Cluster, account: CloudAccount): CloudCredentials | undefined {
  const { primaryCloudCredentialsIdentity: primary } = account;
  // All clusters of an account share its identity, so the credentials that a cluster names do not count.
  const chosen = SHARED_IDENTITY.has(typeOf(cluster)) ? primary : (cluster.cloudCredentialsIdentity ?? primary);
  const find = (wanted: string | undefined) => account.credentials.find(({ identity }) => identity === wanted);
  // Clusters that named deleted credentials use the primary ones.
  return find(chosen) ?? find(primary);
}
