/** Request, response and stored shapes of node pools. */

import * as v from "valibot";
import { dateTime, identity, int64, maxCharacters, text } from "../shared/schemas.ts";

/** Maximum number of node pools in a cluster. */
export const MAX_NODE_POOLS = 50;

/** Maximum number of nodes in a pool. */
const MAX_NODES = 1_000;

/** Maximum size of a pool's user data, as JSON, in bytes. */
export const MAX_NODE_POOL_BYTES = 4 * 1024;

/** Strategies to upgrade the nodes of a pool. */
export const upgradeStrategies = [
  "REPLACE",
  "INPLACE",
  "INPLACE_WITHOUT_DRAIN",
  "REPLACE_MINOR_INPLACE_PATCH",
  "REPLACE_MINOR_INPLACE_PATCH_WITHOUT_DRAIN",
] as const;

/** Effects of a taint on pods that do not tolerate it, as in Kubernetes. */
const taintEffects = ["NoSchedule", "PreferNoSchedule", "NoExecute"] as const;

/** Handling of security updates when a machine joins for the first time. Existing nodes are not changed. */
export const securityUpdates = ["OFF", "INSTALL", "INSTALL_AND_REBOOT"] as const;

/** Progress of a pool. */
export const nodePoolProvisionStatuses = ["ACCEPTED", "PROVISIONING", "DONE", "DELETING", "FAILED"] as const;

/**
 * Builds the pattern of Kubernetes' qualified name: an optional DNS subdomain and a slash, then up to 63 of letters, digits, `-`,
 * `_`, `.` (`IsLabelKey` of k8s.io/apimachinery).
 *
 * @param letters that the subdomain may have, as in a class of a regular expression
 */
const qualifiedNamePattern = (letters: string) => {
  const label = `[${letters}0-9]([-${letters}0-9]*[${letters}0-9])?`;
  return new RegExp(`^(?=[^/]{1,253}/|[^/]*$)(${label}(\\.${label})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`);
};
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
// Cluster API selects machines by keys of this domain, and its controllers use its annotations.
const RESERVED = /^([^/]+\.)?cluster\.x-k8s\.io\//i;

const name = (letters: string) =>
  v.pipe(
    v.string(),
    v.regex(qualifiedNamePattern(letters), "must be a Kubernetes name such as role or example.com/role"),
    v.check((key) => !RESERVED.test(key), "must not be under cluster.x-k8s.io"),
  );
const qualifiedName = name("a-z");
// Kubernetes' ValidateAnnotations folds case before it looks at a key, and keeps the key as it was sent.
const annotationKey = name("A-Za-z");
const labelValue = v.pipe(
  v.string(),
  v.regex(LABEL_VALUE, "must be a Kubernetes label value: up to 63 of letters, digits, -, _ and ."),
);

const size = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_NODES), v.metadata({ format: "int64" }));

/** NodeTaint of the API documentation. */
export const NodeTaint = v.object({
  effect: v.picklist(taintEffects),
  key: qualifiedName,
  value: v.optional(labelValue),
});

/** Properties of a node pool in a request: in the creation of a cluster, in its own creation and in a change. */
export const CreateNodePool = v.object({
  annotations: v.optional(v.pipe(v.record(annotationKey, text), v.maxEntries(50))),
  autoScaling: v.optional(v.boolean()),
  availabilityZone: v.optional(v.pipe(text, maxCharacters(63))),
  enableNodeAutoReplacement: v.optional(v.boolean()),
  enableNodeReboots: v.optional(v.boolean()),
  labels: v.optional(v.pipe(v.record(qualifiedName, labelValue), v.maxEntries(50))),
  maxSize: v.optional(size),
  minSize: v.optional(size),
  name: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[a-z0-9-]{1,25}$/, "must be 1 to 25 characters: a-z, 0-9 and -"),
      // The same as the documentation writes it.
      v.metadata({ pattern: "^[a-z0-9-]+$", minLength: 1, maxLength: 25 }),
      v.description("Unique in its cluster together with availabilityZone; cannot change."),
    ),
  ),
  nodeSize: v.optional(v.pipe(text, maxCharacters(63))),
  securityUpdatesOnJoin: v.optional(v.picklist(securityUpdates)),
  taints: v.optional(v.pipe(v.array(NodeTaint), v.maxLength(50))),
  upgradeStrategy: v.optional(v.picklist(upgradeStrategies)),
});
export type CreateNodePool = v.InferOutput<typeof CreateNodePool>;

/** CreateClusterNodePool of the API documentation: a node pool in the creation of a cluster. */
export const CreateClusterNodePool = v.object({ ...CreateNodePool.entries });

/** UpdateNodePool of the API documentation: omitted properties do not change. */
export const UpdateNodePool = v.object({ ...CreateNodePool.entries });

/** ClusterNodePoolResponse of the API documentation. */
export const ClusterNodePoolResponse = v.object({
  annotations: v.record(v.string(), v.string()),
  autoScaling: v.boolean(),
  availabilityZone: v.optional(v.string()),
  createdAt: dateTime,
  enableNodeAutoReplacement: v.boolean(),
  enableNodeReboots: v.boolean(),
  id: int64,
  identity,
  labels: v.record(v.string(), v.string()),
  maxSize: int64,
  minSize: int64,
  modifiedAt: dateTime,
  name: v.string(),
  nodeSize: v.string(),
  provisionStatus: v.picklist(nodePoolProvisionStatuses),
  securityUpdatesOnJoin: v.pipe(
    v.picklist(securityUpdates),
    v.description("Whether a machine installs security updates before it joins for the first time."),
  ),
  taints: v.array(NodeTaint),
  upgradeStrategy: v.picklist(upgradeStrategies),
});
export type ClusterNodePoolResponse = v.InferOutput<typeof ClusterNodePoolResponse>;

/** Property of a node pool in the result of an operation that the API documentation does not have. A dialect can show it. */
export interface UndocumentedNodePool {
  clusterIdentity: string;
}
