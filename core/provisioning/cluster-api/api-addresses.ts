/** Allocates addresses for API servers without a load balancer. Each allocation is a ConfigMap in the management cluster. */

import { isKubernetesError } from "../../kubernetes/errors.ts";
import { Address, parseCidr } from "../../shared/ip.ts";
import { type Call, listObjects } from "./calls.ts";
import { CONFIG_MAP, NAMESPACE } from "./kinds.ts";
import { CLUSTER_ID, FIELD_MANAGER, MANAGED_BY } from "./labels.ts";
import type { Manifest } from "./manifest.ts";

/** Namespace of the allocations. All organisations share it, because they share the network. */
const ADDRESSES = "ame-api-addresses";

/**
 * Lists the host addresses of a block in ascending order.
 *
 * @param block in CIDR notation
 * @throws Error if it is not valid
 */
export function* addressesIn(block: string): Generator<string> {
  const parsed = parseCidr(block);
  if (typeof parsed === "string") throw new Error(`apiAddresses ${block} ${parsed}`);
  const { address, bits } = parsed;
  const size = 1n << BigInt(address.length - bits);
  // The first and the last address of an IPv4 block are those of the network and of the broadcast.
  const margin = address.version === 4 && size > 2n ? 1n : 0n;
  for (let offset = margin; offset < size - margin; offset++) {
    yield new Address(address.version, address.value + offset).toString();
  }
}

const listAllocations = (call: Call, labels: Readonly<Record<string, string>>) =>
  listObjects(call, CONFIG_MAP, ADDRESSES, labels);

/** Returns the address of a cluster; undefined if it has none yet. */
async function findAddress(call: Call, clusterIdentity: string): Promise<string | undefined> {
  const [own] = await listAllocations(call, { [CLUSTER_ID]: clusterIdentity });
  return own?.data?.address;
}

/**
 * Returns the address of a cluster, and allocates one if it has none. The name of the ConfigMap is the address, so two clusters never get
 * the same one.
 *
 * @param candidates addresses that may be allocated, including those in use
 * @throws KubernetesError; Error if all candidates are in use
 */
export async function allocateAddress(
  call: Call,
  clusterIdentity: string,
  candidates: Iterable<string>,
): Promise<string> {
  const known = await findAddress(call, clusterIdentity);
  if (known !== undefined) return known;
  const { client, signal } = call;
  const labels = { [MANAGED_BY]: FIELD_MANAGER };
  const namespace: Manifest = { ...NAMESPACE, metadata: { name: ADDRESSES, labels } };
  await client.apply(namespace, { signal });
  const used = new Set((await listAllocations(call, labels)).map(({ data }) => data?.address));
  for (const address of candidates) {
    if (used.has(address)) continue;
    const metadata = {
      name: `address-${address.replaceAll(/[.:]/g, "-")}`,
      namespace: ADDRESSES,
      labels: { ...labels, [CLUSTER_ID]: clusterIdentity },
    };
    const allocation: Manifest = { ...CONFIG_MAP, metadata, data: { address } };
    try {
      await client.create(allocation, { signal });
      return address;
    } catch (error) {
      if (!isKubernetesError(error, "already-exists")) throw error;
    }
  }
  throw new Error("all addresses for API servers are in use; extend apiAddresses in the profile file");
}

/** Releases the address of a deleted cluster. */
export const releaseAddress = ({ client, signal }: Call, clusterIdentity: string): Promise<void> =>
  client.deleteCollection(CONFIG_MAP, {
    namespace: ADDRESSES,
    labels: { [CLUSTER_ID]: clusterIdentity },
    signal,
  });
