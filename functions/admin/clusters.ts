/** The operator's commands about clusters: what is due, how one is, trying again, and taking one's record away. */

import { forgetCluster, listDue, orphanedResources, retryCluster, showCluster } from "#core/admin/clusters.ts";
import type { ClusterRef } from "#core/admin/find-cluster.ts";
import { invalid } from "#core/shared/errors.ts";
import { type Command, type Given, numeric, one, text, UsageError } from "./command.ts";

/** How far ahead the operator may look: a year, in minutes. */
const LONGEST_MINUTES = 366 * 24 * 60;

const WHICH = "--id <identity>, or --org <slug> --env <slug> --cluster <slug>";
const which = { id: text, org: text, env: text, cluster: text } as const;

/** The cluster that was named, in one of the two ways. @throws UsageError */
function soughtIn(given: Given): ClusterRef {
  const [identity, organisation, environment, cluster] = ["id", "org", "env", "cluster"].map((name) =>
    one(given, name),
  );
  const path = [organisation, environment, cluster];
  if (identity !== undefined && path.every((part) => part === undefined)) return { identity };
  if (identity === undefined && organisation !== undefined && environment !== undefined && cluster !== undefined) {
    return { organisation, environment, cluster };
  }
  throw new UsageError(`Say which cluster: ${WHICH}.`);
}

/** @throws AppError invalid */
function minutesIn(given: Given): number {
  const within = numeric(one(given, "within") ?? "0");
  if (typeof within === "number" && within >= 0 && within <= LONGEST_MINUTES) return within;
  throw invalid([{ path: "--within", message: `must be a number of minutes from 0 to ${LONGEST_MINUTES}` }]);
}

/** The commands by name. */
export const clusterCommands: Readonly<Record<string, Command>> = {
  due: {
    usage: "[--within <minutes>]",
    options: { within: text },
    async run(services, given) {
      return { print: await listDue(services, minutesIn(given)) };
    },
  },
  "cluster show": {
    usage: WHICH,
    options: which,
    async run(services, given) {
      return { print: await showCluster(services, soughtIn(given)) };
    },
  },
  "cluster retry": {
    usage: WHICH,
    options: which,
    async run(services, given) {
      return { print: await retryCluster(services, soughtIn(given)) };
    },
  },
  "cluster forget": {
    usage: `${WHICH}; --yes`,
    options: { ...which, yes: { type: "boolean" } },
    async run(services, given) {
      const sought = soughtIn(given);
      if (given.values.yes === true)
        return { print: { forgotten: true, leftBehind: await forgetCluster(services, sought) } };
      const note =
        "Nothing was changed. With --yes the record goes, and this may stay behind where the cluster was made.";
      return { print: { forgotten: false, note, leftBehind: await orphanedResources(services, sought) }, failed: true };
    },
  },
};
