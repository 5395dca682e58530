/** Selects the version to which a cluster with `autoUpgrade` is upgraded. Pure functions. */

import {
  type ClusterVersion,
  clusterVersions,
  compareVersions,
  type UpdateChannel,
  updateChannels,
} from "../../catalogue/index.ts";
import type { Cluster } from "../entity.ts";
import { minorOf } from "./versions.ts";

/** Versions and channels of the catalogue. */
export interface Offer {
  readonly versions: readonly Omit<ClusterVersion, "kubernetes">[];
  readonly channels: readonly UpdateChannel[];
}

/** Returns the newest available version of a minor; undefined if there is none. */
const newestAvailable = (minor: number, { versions }: Offer): string | undefined =>
  versions
    .filter(({ available, version }) => available && minorOf(version) === minor)
    .map(({ version }) => version)
    .sort(compareVersions)
    .at(-1);

/**
 * Returns the next version of a cluster that follows its update channel, or without a channel the newest patch of its minor. A channel
 * that is more than one minor ahead is reached one minor at a time. No cluster is downgraded.
 *
 * @param offer versions and channels of the catalogue
 * @returns undefined if the cluster is not upgraded automatically, is up to date, or has no path to its channel
 */
export function automaticTarget(
  { autoUpgrade, updateChannel, version }: Pick<Cluster, "autoUpgrade" | "updateChannel" | "version">,
  offer: Offer = { versions: clusterVersions, channels: updateChannels },
): string | undefined {
  if (!autoUpgrade) return undefined;
  const channel = offer.channels.find(({ name, available }) => available && name === updateChannel);
  const wanted =
    updateChannel === undefined ? newestAvailable(minorOf(version), offer) : channel?.kubernetesClusterVersion;
  if (wanted === undefined || compareVersions(wanted, version) <= 0) return undefined;
  const next = minorOf(version) + 1;
  const target = minorOf(wanted) > next ? newestAvailable(next, offer) : wanted;
  return offer.versions.some((each) => each.available && each.version === target) ? target : undefined;
}
