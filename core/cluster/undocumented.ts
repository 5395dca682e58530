/**
 * Properties of clusters that the API documentation does not have. Published clients send and read them, so a dialect
 * of the API shows them. The documented dialect does not.
 */

import * as v from "valibot";
import { IPRange, identity, maxCharacters, text, uuid } from "../shared/schemas.ts";
import { CreateCluster, IpWhitelistRequest, UpdateCluster } from "./schema.ts";

const threshold = v.pipe(
  v.number(),
  v.minValue(0),
  v.maxValue(1),
  v.metadata({ type: "number", description: "Utilization of a node, from 0 to 1." }),
);

/** Duration as Go's `time.ParseDuration` reads it, without a sign. */
const DURATION = /^(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;

const duration = v.pipe(
  v.string(),
  v.maxLength(63),
  v.regex(DURATION, "must be a duration of Go that is not negative, such as 10m or 1h30m"),
);

/** Settings of the Kubernetes cluster autoscaler: its flags of the same names. */
export const AutoscalerSettings = v.object({
  "max-node-provision-time": v.optional(duration),
  "scale-down-delay-after-add": v.optional(duration),
  "scale-down-gpu-utilization-threshold": v.optional(threshold),
  "scale-down-unneeded-time": v.optional(duration),
  "scale-down-unready-time": v.optional(duration),
  "scale-down-utilization-threshold": v.optional(threshold),
  "unremovable-node-recheck-timeout": v.optional(duration),
});
export type AutoscalerSettings = v.InferOutput<typeof AutoscalerSettings>;

/** Returns settings of the autoscaler to store. An object without members resets them. */
export const storedAutoscalerSettings = (settings: AutoscalerSettings | undefined): AutoscalerSettings | undefined =>
  settings === undefined || Object.keys(settings).length === 0 ? undefined : settings;

/** Cluster on which another one depends, as it was when the other one was created. */
export const UpstreamCluster = v.object({
  environmentSlug: v.string(),
  identity,
  slug: v.string(),
  version: v.string(),
});
export type UpstreamCluster = v.InferOutput<typeof UpstreamCluster>;

const spelling = v.optional(v.pipe(text, maxCharacters(63)));

/** Names of values as the client wrote them, for clients that compare them with what they sent. */
const SPELLINGS = { cniSpelling: spelling, podSecurityStandardsProfileSpelling: spelling };

/** Body of a cluster's creation with the undocumented properties. */
export const CreateUndocumentedCluster = v.object({
  ...CreateCluster.entries,
  ...SPELLINGS,
  clusterAutoscalerSettings: v.optional(AutoscalerSettings),
  upstreamClusterIdentity: v.optional(uuid),
});
export type CreateUndocumentedCluster = v.InferOutput<typeof CreateUndocumentedCluster>;

/** Body of a cluster's change with the undocumented properties. A range without a description keeps the stored one. */
export const UpdateUndocumentedCluster = v.object({
  ...UpdateCluster.entries,
  ...SPELLINGS,
  clusterAutoscalerSettings: v.optional(AutoscalerSettings),
  enablePodSecurityStandards: v.optional(v.boolean()),
  ipWhitelist: v.optional(
    v.pipe(
      v.array(v.object({ cidr: IPRange, description: v.optional(IpWhitelistRequest.entries.description) })),
      v.maxLength(500),
    ),
  ),
});
export type UpdateUndocumentedCluster = v.InferOutput<typeof UpdateUndocumentedCluster>;

/** Undocumented properties in the result of an operation on a cluster. */
export interface UndocumentedCluster {
  cloudAccountIdentity: string;
  clusterAutoscalerSettings: AutoscalerSettings | undefined;
  /** Absent if the client named no CNI, or named it in the documented dialect. */
  cniSpelling: string | undefined;
  enablePodSecurityStandards: boolean;
  podSecurityStandardsProfileSpelling: string | undefined;
  upstreamCluster: UpstreamCluster | undefined;
}
