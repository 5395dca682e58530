/** Messages of conditions, for people. They follow from the reason, the details of the condition, and the cluster. */

import type { ClusterCondition, Condition, ConditionReason } from "../condition.ts";
import type { Cluster } from "../entity.ts";

/** Properties of a cluster that messages depend on. */
type Subject = Pick<Cluster, "status" | "version" | "runningVersion" | "furthestPhase" | "generation">;

type Message = (condition: ClusterCondition, cluster: Subject) => string;

/** Builds the message of a failed step. @param next what happens next */
const failure =
  (next: string): Message =>
  ({ detail = "", operation }) =>
    operation === undefined ? detail : `${operation} failed; ${next}: ${detail}`;

const retried = failure("it will be retried");

/** Adds what the provisioner says to a message. */
const withDetail = (text: string, detail: string | undefined): string =>
  detail === undefined ? `${text}.` : `${text}: ${detail}`;

/** Message of each reason. */
const MESSAGES: Readonly<Record<ConditionReason, Message>> = {
  Accepted({ type, observedGeneration }, { furthestPhase, generation }) {
    if (type !== "Reconciled" || furthestPhase === "ACCEPTED") {
      return "The cluster was accepted; provisioning has not started.";
    }
    // Each later change raises the generation and leaves the observed one.
    return observedGeneration === generation
      ? "The cluster was accepted; provisioning has started."
      : "A change was accepted; the reconciler has not processed it yet.";
  },
  Provisioning: ({ detail }) => withDetail("The cluster is being provisioned", detail),
  Provisioned: () => "The cluster is provisioned.",
  Starting: ({ detail }, { status }) =>
    withDetail(
      status === "provisioned"
        ? "The cluster is provisioned; its control plane is starting"
        : "The cluster is starting",
      detail,
    ),
  Started: () => "The cluster is running.",
  Degraded: ({ detail }) => withDetail("A part of the cluster is not available", detail),
  Stopping: () => "The cluster is stopping, as requested.",
  Stopped: () => 'The cluster is stopped; send "status": "starting" to start it.',
  Deleting: ({ detail }) => withDetail("The cluster is being deleted", detail),
  StateUnknown: () =>
    "The provisioner cannot determine the state of the cluster; it retries. The condition Reconciled shows the error.",
  // A write has no names, because the reconciler determines which pools it affects.
  NodePoolsUpdating: ({ detail }) =>
    detail === undefined
      ? "A change of node pools was accepted and is not applied yet."
      : `Being changed to the requested configuration: ${detail}.`,
  NodePoolsReady: () => "All node pools have the requested configuration.",
  NodePoolFailed: ({ detail = "node pools" }) =>
    `The provisioner failed to provision ${detail}; it retries. If the failure persists, change or delete them.`,
  ControlPlaneUpgrading: ({ detail }, { version, runningVersion }) => {
    if (detail !== undefined) return `The control plane is being changed from ${detail} to ${version}.`;
    return runningVersion === undefined
      ? `The control plane with version ${version} is not running yet.`
      : `Version ${version} was accepted and is not applied yet.`;
  },
  NodePoolsUpgrading: ({ detail = "node pools" }, { version }) => `Being changed to ${version}: ${detail}.`,
  VersionReached: (_, { version }) => `The control plane and all nodes run ${version}.`,
  ConfigurationPending: () => "A change of the configuration was accepted and is not applied yet.",
  Reconciled: () => "The last reconciliation succeeded.",
  PreparationFailed: retried,
  OidcRegistrationInDoubt: failure("an operator has to intervene"),
  OidcClientSecretExpired: retried,
  ProvisionerFailed: retried,
  ProvisionerTimedOut: retried,
};

/** Builds the conditions of a cluster with their messages, as they are returned. */
export const describeConditions = (cluster: Subject & Pick<Cluster, "conditions">): Condition[] =>
  cluster.conditions.map((condition) => {
    const { type, status, reason, lastTransitionTime, observedGeneration } = condition;
    const message = MESSAGES[reason](condition, cluster);
    return { type, status, reason, message, lastTransitionTime, observedGeneration };
  });
