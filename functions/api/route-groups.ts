/** Functions of the API on AWS: their paths and permissions, derived from the table of routes. */

import type { BundleName } from "../build/bundles.ts";
import type { Grant } from "./grants.ts";
import { type RouteGroupName, type RouteRow, servedRows } from "./routes.ts";

/** Function behind the API. */
export interface RouteGroup {
  bundle: BundleName;
  /** Paths that it serves, with every method: it returns 405 itself for a method without an operation. */
  paths: readonly string[];
  grant: Grant;
}

const BUNDLES = {
  Clusters: "clusters",
  NodePools: "node-pools",
  Configurations: "configurations",
  Organisations: "organisations",
  ScheduledUpgrades: "scheduled-upgrades",
  Observability: "observability",
  CloudAccounts: "cloud-accounts",
  Health: "health",
  References: "references",
} as const satisfies Record<Exclude<RouteGroupName, "Default">, BundleName>;

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** Returns the permissions of all of a function's operations together. */
function grantOf(rows: readonly RouteRow[]): Grant {
  const grants = rows.flatMap(({ grant }) => grant ?? []);
  const key = unique(grants.flatMap((grant) => grant.key ?? []));
  return {
    table: unique(grants.flatMap(({ table }) => table)),
    indexes: unique(grants.flatMap(({ indexes }) => indexes)),
    ...(key.length === 0 ? {} : { key }),
  };
}

/**
 * Names the variables of paths as API Gateway needs them: it refuses a second name for a variable at one position with a 409, so
 * the name of the first row with a variable there is the name in all paths.
 */
function gatewayPaths(): (path: string) => string {
  const nameAt = new Map<string, string>();
  const rename = (path: string): string => {
    const segments: string[] = [];
    for (const segment of path.split("/")) {
      const before = segments.join("/");
      if (segment.startsWith("{") && !nameAt.has(before)) nameAt.set(before, segment);
      segments.push(segment.startsWith("{") ? (nameAt.get(before) ?? segment) : segment);
    }
    return segments.join("/");
  };
  for (const { path } of servedRows) rename(path);
  return rename;
}

/** Returns the functions of the API by their names in the stack. The one for every other path, `Default`, is not among them. */
function groupsOf(rows: readonly RouteRow[]): Record<keyof typeof BUNDLES, RouteGroup> {
  const toGateway = gatewayPaths();
  return Object.fromEntries(
    Object.entries(BUNDLES).map(([name, bundle]): [string, RouteGroup] => {
      const own = rows.filter(({ group }) => group === name);
      return [name, { bundle, paths: unique(own.map(({ path }) => toGateway(path))), grant: grantOf(own) }];
    }),
  ) as Record<keyof typeof BUNDLES, RouteGroup>;
}

/** The functions of the API by their names in the stack. */
export const routeGroups = groupsOf(servedRows);
