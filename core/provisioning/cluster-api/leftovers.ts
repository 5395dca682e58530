/** Deletes what a cluster leaves in the management cluster when its Cluster is gone. */

import { isKindNotServed } from "../../kubernetes/errors.ts";
import type { ObjectKind } from "../../kubernetes/objects.ts";
import { releaseAddress } from "./api-addresses.ts";
import { type Call, deleteObject, getObject, isForbidden, listObjects, readIfAllowed, runTogether } from "./calls.ts";
import type { TranslatedType } from "./input.ts";
import { accountIdentityKind, CLUSTER, isProviderKind, leftoverKinds, SECRET, translatedTypes } from "./kinds.ts";
import { ACCOUNT_ID, CLUSTER_ID, CONTROLLER_NAMESPACE, FIELD_MANAGER, MANAGED_BY } from "./labels.ts";
import { accountObjectName } from "./manifest.ts";

/** Cluster whose Cluster is gone. */
export interface GoneCluster {
  identity: string;
  namespace: string;
  /** Undefined if the catalogue no longer has the provider: then objects of all providers are deleted. */
  type: TranslatedType | undefined;
  /** Identity of the cloud account. */
  accountIdentity: string;
  /** Namespaces in which the provider's controllers read credentials, by the profile file. */
  controllerNamespaces: readonly string[];
}

/**
 * Deletes all objects of a cluster, and those of its cloud account if no other cluster uses the account. The call is idempotent.
 *
 * @throws KubernetesError
 */
export async function deleteLeftovers(call: Call, gone: GoneCluster): Promise<void> {
  const { namespace, identity, type } = gone;
  const types = type === undefined ? translatedTypes : [type];
  const labels = { [CLUSTER_ID]: identity };
  const kinds = new Map(types.flatMap(leftoverKinds).map((kind) => [`${kind.apiVersion} ${kind.kind}`, kind]));
  const tasks = [...kinds.values()].map(
    (kind) => (each: Call) =>
      ignoreAbsent(kind, type, each.client.deleteCollection(kind, { namespace, labels, signal: each.signal })),
  );
  await runTogether(call, tasks);
  if (types.includes("vsphere")) await ignoreAbsent(undefined, type, releaseAddress(call, identity));
  await deleteAccountObjects(call, gone, types);
}

/**
 * Waits for a deletion. Nothing can be left of a kind that the management cluster does not have. If the provider is not known, nothing is
 * expected either of kinds of providers, and of addresses, to which there is no access.
 *
 * @param kind undefined for addresses
 */
async function ignoreAbsent(
  kind: ObjectKind | undefined,
  type: TranslatedType | undefined,
  deletion: Promise<void>,
): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    const isUnexpected = type === undefined && isForbidden(error) && (kind === undefined || isProviderKind(kind));
    if (!isKindNotServed(error) && !isUnexpected) throw error;
  }
}

/** Deletes the identity and the Secrets of a cloud account, unless another cluster uses the account. */
async function deleteAccountObjects(call: Call, gone: GoneCluster, types: readonly TranslatedType[]): Promise<void> {
  const { namespace, type, accountIdentity } = gone;
  const kinds = types.flatMap((each) => accountIdentityKind(each) ?? []);
  if (kinds.length === 0) return;
  if ((await listObjects(call, CLUSTER, namespace, { [ACCOUNT_ID]: accountIdentity })).length > 0) return;
  const name = accountObjectName(accountIdentity);
  const identities = kinds.map(({ isNamespaced, ...kind }) => ({
    ...kind,
    name,
    ...(isNamespaced ? { namespace } : {}),
  }));
  const found = new Set(gone.controllerNamespaces);
  if (kinds.some(({ isNamespaced }) => isNamespaced)) found.add(namespace);
  for (const identity of identities) {
    const read = readIfAllowed(getObject(call, identity)).then((present) => {
      const recorded = present === "forbidden" ? undefined : present?.metadata.annotations?.[CONTROLLER_NAMESPACE];
      if (recorded !== undefined) found.add(recorded);
    });
    await ignoreAbsent(identity, type, read);
  }
  for (const each of await namespacesOfSecrets(call, accountIdentity)) found.add(each);
  // Before the identity, whose annotation another attempt needs.
  const secrets = [...found].map((each) => (one: Call) => deleteObject(one, { ...SECRET, name, namespace: each }));
  await runTogether(call, secrets);
  await runTogether(
    call,
    identities.map((identity) => (one: Call) => ignoreAbsent(identity, type, deleteObject(one, identity))),
  );
}

/**
 * Lists the namespaces with Secrets of a cloud account, also those that the profile file no longer has.
 *
 * @returns empty if the user of the kubeconfig may only list Secrets in some namespaces
 */
async function namespacesOfSecrets(call: Call, accountIdentity: string): Promise<string[]> {
  const labels = { [MANAGED_BY]: FIELD_MANAGER, [ACCOUNT_ID]: accountIdentity };
  const secrets = await readIfAllowed(listObjects(call, SECRET, undefined, labels));
  return secrets === "forbidden" ? [] : secrets.flatMap(({ metadata }) => metadata.namespace ?? []);
}
