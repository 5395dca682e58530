/** Labels and annotations of the objects, and the names of their keys. */

import { PRODUCT_PREFIX } from "../../node-pool/reserved-names.ts";
import type { TranslationInput } from "./input.ts";

/** Field manager of every apply, and value of the label `managed-by`. */
export const FIELD_MANAGER = "ame-control-plane";

/** Label of every object that this service creates. */
export const MANAGED_BY = `${PRODUCT_PREFIX}managed-by`;
/** Label with the identity of the cluster, by which all of its objects are found. */
export const CLUSTER_ID = `${PRODUCT_PREFIX}cluster-id`;
/** Label with the identity of the organisation. */
export const ORGANISATION_ID = `${PRODUCT_PREFIX}organisation-id`;
/** Label with the identity of the cloud account, on identities and Secrets that its clusters share. */
export const ACCOUNT_ID = `${PRODUCT_PREFIX}cloud-account-id`;
/** Label with the slug of the environment, only on objects whose labels do not reach machines. */
export const ENVIRONMENT = `${PRODUCT_PREFIX}environment`;
/** Label with the identity of the node pool. */
export const NODE_POOL_ID = `${PRODUCT_PREFIX}node-pool-id`;
/** Annotation of a Cluster, control plane or MachineDeployment with its complete version, such as `v1.33.4-u-ame.2`. */
export const VERSION = `${PRODUCT_PREFIX}version`;
/** Annotation of a Cluster with the slugs of the zones with which it started, separated by commas. */
export const ZONES = `${PRODUCT_PREFIX}zones`;
/** Label of machines with the name of their MachineDeployment, for its selector. */
export const DEPLOYMENT = `${PRODUCT_PREFIX}machine-deployment`;

/** Annotation of a Cluster with the highest fencing token of the plans that were applied to it. */
export const FENCE = `${PRODUCT_PREFIX}fence`;
/** Annotation of a Cluster with the hash and the time of the last complete apply; absent while an apply is in progress. */
export const APPLIED = `${PRODUCT_PREFIX}applied`;
/**
 * Annotation of a Cluster whose deletion waits for the load balancers of its Services: when the wait began, and `services` if some are
 * left or `unanswered` if its API server has not answered yet.
 */
export const BALANCERS = `${PRODUCT_PREFIX}load-balancers`;
/** Annotation of the identity of a cloud account with the namespace of its Secret, if that is not the one of the identity. */
export const CONTROLLER_NAMESPACE = `${PRODUCT_PREFIX}controller-namespace`;

type LabelSource = Pick<TranslationInput, "cluster" | "organisationIdentity">;

/** Returns the labels of an object of the organisation. */
export const organisationLabels = (organisationIdentity: string): Record<string, string> => ({
  [MANAGED_BY]: FIELD_MANAGER,
  [ORGANISATION_ID]: organisationIdentity,
});

/** Returns the labels of an object of the cluster. */
export const clusterLabels = ({ cluster, organisationIdentity }: LabelSource): Record<string, string> => ({
  ...organisationLabels(organisationIdentity),
  [CLUSTER_ID]: cluster.identity,
});

/** Returns the labels of an object that clusters of a cloud account share. */
export const accountLabels = ({
  account,
  organisationIdentity,
}: Pick<TranslationInput, "account" | "organisationIdentity">): Record<string, string> => ({
  ...organisationLabels(organisationIdentity),
  [ACCOUNT_ID]: account.identity,
});

/** Returns the labels of an object of the cluster, with its environment. */
export const environmentLabels = (input: LabelSource): Record<string, string> => ({
  ...clusterLabels(input),
  [ENVIRONMENT]: input.cluster.environment,
});
