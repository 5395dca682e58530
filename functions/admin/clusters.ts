/** The operator's commands for clusters: list due clusters, show, retry and forget one. */

import { findOrphanedResources, forgetCluster, listDue, retryCluster, showCluster } from "#core/admin/clusters.ts";
import type { ClusterRef } from "#core/admin/find-cluster.ts";
import { invalid } from "#core/shared/errors.ts";
import { formatValue } from "#core/shared/validation.ts";
import { type Command, type CommandLine, optionValue, parseNumber, stringOption, UsageError } from "./command.ts";

/** Maximum of --within: a year, in minutes. */
const MAX_MINUTES = 366 * 24 * 60;

/** Options that identify a cluster, as shown by help. */
export const CLUSTER_USAGE = "--id <identity>, or --org <slug> --env <slug> --cluster <slug>";
/** Options that identify a cluster. */
export const clusterOptions = {
  id: stringOption,
  org: stringOption,
  env: stringOption,
  cluster: stringOption,
} as const;

/** Reads the options that identify a cluster, in one of two ways. @throws UsageError */
export function readClusterRef(given: CommandLine): ClusterRef {
  const [identity, organisation, environment, cluster] = ["id", "org", "env", "cluster"].map((name) =>
    optionValue(given, name),
  );
  const path = [organisation, environment, cluster];
  if (identity !== undefined && path.every((part) => part === undefined)) return { identity };
  if (identity === undefined && organisation !== undefined && environment !== undefined && cluster !== undefined) {
    return { organisation, environment, cluster };
  }
  throw new UsageError(`Specify the cluster: ${CLUSTER_USAGE}.`);
}

/** @throws AppError invalid */
function readMinutes(given: CommandLine): number {
  const text = optionValue(given, "within") ?? "0";
  const within = parseNumber(text);
  if (typeof within === "number" && within >= 0 && within <= MAX_MINUTES) return within;
  throw invalid([
    {
      path: "--within",
      message: `${formatValue(text)} is not allowed: must be a number of minutes from 0 to ${MAX_MINUTES}`,
    },
  ]);
}

/** Commands by name. */
export const clusterCommands: Readonly<Record<string, Command>> = {
  due: {
    usage: "[--within <minutes>]",
    options: { within: stringOption },
    async run(services, given) {
      return { print: await listDue(services, readMinutes(given)) };
    },
  },
  "cluster show": {
    usage: CLUSTER_USAGE,
    options: clusterOptions,
    async run(services, given) {
      return { print: await showCluster(services, readClusterRef(given)) };
    },
  },
  "cluster retry": {
    usage: CLUSTER_USAGE,
    options: clusterOptions,
    async run(services, given) {
      return { print: await retryCluster(services, readClusterRef(given)) };
    },
  },
  "cluster forget": {
    usage: `${CLUSTER_USAGE}; --yes`,
    options: { ...clusterOptions, yes: { type: "boolean" } },
    async run(services, given) {
      const cluster = readClusterRef(given);
      if (given.values.yes === true)
        return { print: { forgotten: true, leftBehind: await forgetCluster(services, cluster) } };
      const note =
        "Nothing was changed. With --yes the record is deleted, and these resources may remain at the provider and the issuer.";
      return {
        print: { forgotten: false, note, leftBehind: await findOrphanedResources(services, cluster) },
        failed: true,
      };
    },
  },
};
