/** What each function on AWS serves and may do. No code of theirs: the stacks and the tests both read it. */

import { DUE_INDEX, LIST_INDEX } from "#core/table/definition.ts";
import type { BundleName } from "../build/bundles.ts";

/** What a function may do with the table: an action in IAM's words, without the service. */
export type TableAction = "BatchGetItem" | "Query" | "PutItem" | "UpdateItem" | "DeleteItem" | "ConditionCheckItem";

/** What a function may do with the key. */
export type KeyAction = "Decrypt" | "GenerateDataKey";

/** What a function does with the data, and so all that it may. */
export interface Grant {
  /** On the table itself. A transaction needs the action of each of its operations. */
  table: readonly TableAction[];
  /** Indexes it queries. */
  indexes: readonly (typeof LIST_INDEX | typeof DUE_INDEX)[];
  /** With the key that clusters' data keys are encrypted with; absent for functions that get at no secret. */
  key?: readonly KeyAction[];
}

/** A function behind the API. */
export interface RouteGroup {
  bundle: BundleName;
  /** The paths that lead to it, with every method: it answers 405 itself where there is no such operation. */
  paths: readonly string[];
  grant: Grant;
}

const READS = ["BatchGetItem", "Query"] as const;
const WRITES = [...READS, "PutItem", "UpdateItem"] as const;

const ORGANISATION = "/api/v1/orgs/{organisation}";
const CLUSTER = `${ORGANISATION}/clusters/{environment}/{cluster}`;
const SCHEDULES = "/api/v1/organisations/{organisation}/maintenance-schedule";

/** The functions of the API by their names in the stack. */
export const routeGroups = {
  Clusters: {
    bundle: "clusters",
    paths: [
      `${ORGANISATION}/clusters`,
      `${ORGANISATION}/clusters/{environment}`,
      // The path names a cluster here. API Gateway rejects a second variable name at one position with a 409.
      `${ORGANISATION}/clusters/{environment}/move`,
      CLUSTER,
      `${CLUSTER}/events`,
      `${CLUSTER}/prometheus-rules-inheritance`,
      `${CLUSTER}/undelete`,
    ],
    grant: { table: [...WRITES, "DeleteItem"], indexes: [LIST_INDEX] },
  },
  NodePools: {
    bundle: "node-pools",
    paths: [`${CLUSTER}/pools`, `${CLUSTER}/pools/{nodePool}`],
    grant: { table: WRITES, indexes: [] },
  },
  Configurations: {
    bundle: "configurations",
    paths: [
      `${CLUSTER}/join-config`,
      `${CLUSTER}/pools/{nodePool}/join-config`,
      `${CLUSTER}/oidc-config`,
      `${CLUSTER}/kubeconfig`,
    ],
    grant: { table: [...READS, "PutItem", "ConditionCheckItem"], indexes: [], key: ["Decrypt"] },
  },
  Upgrades: {
    bundle: "upgrades",
    paths: [`${CLUSTER}/upgrades`],
    grant: { table: ["BatchGetItem"], indexes: [] },
  },
  Health: {
    bundle: "health",
    paths: ["/healthz", "/readyz"],
    grant: { table: ["BatchGetItem"], indexes: [] },
  },
  References: {
    bundle: "references",
    paths: [
      "/api/v1/memberships",
      "/api/v1/cluster-versions",
      "/api/v1/environments/types",
      "/api/v1/cloud-providers/{provider}/nodetypes",
      "/api/v1/organisations/{organisation}",
      SCHEDULES,
      `${SCHEDULES}/{schedule}`,
      `${ORGANISATION}/environments`,
      `${ORGANISATION}/environments/{environment}`,
      `${ORGANISATION}/cloud-accounts`,
      `${ORGANISATION}/cloud-accounts/{account}`,
      `${ORGANISATION}/cloud-accounts/{account}/credentials`,
      `${ORGANISATION}/cloud-profiles`,
      `${ORGANISATION}/cloud-providers`,
      `${ORGANISATION}/cloud-providers/{provider}/regions`,
      `${ORGANISATION}/cloud-providers/{provider}/regions/{region}/availability-zones`,
      `${ORGANISATION}/update-channels`,
    ],
    grant: { table: READS, indexes: [] },
  },
} as const satisfies Record<string, RouteGroup>;

const RECONCILES = [...WRITES, "DeleteItem", "ConditionCheckItem"] as const;

/** What the reconciler's functions do with the data. */
export const reconcilerGrants = {
  ReconcileStream: { table: RECONCILES, indexes: [], key: ["Decrypt", "GenerateDataKey"] },
  ReconcileSchedule: { table: RECONCILES, indexes: [DUE_INDEX], key: ["Decrypt", "GenerateDataKey"] },
} as const satisfies Record<string, Grant>;
