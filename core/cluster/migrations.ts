/** Migration of the conditions that older versions of clusters and tombstones stored with their messages. */

import type { ClusterCondition, Condition } from "./condition.ts";

/** Finds the details in a message: the first group of the first pattern that matches. */
const DETAILS: readonly RegExp[] = [
  /^The provisioner failed to provision (.+); it retries\./,
  /^Being changed to the requested configuration: (.+)\.$/,
  /^Being changed to v\S+: (.+)\.$/,
  /^The control plane (?:is being changed|comes) from (\S+) to /,
];

const FAILURE = /^(.+?) failed; (?:it will be retried|an operator has to intervene): (.*)$/s;

const FAILURES: readonly Condition["reason"][] = [
  "PreparationFailed",
  "OidcRegistrationInDoubt",
  "OidcClientSecretExpired",
  "ProvisionerFailed",
  "ProvisionerTimedOut",
];

function withoutMessage({ message, ...condition }: Condition): ClusterCondition {
  if (FAILURES.includes(condition.reason)) {
    const [, operation, detail = message] = FAILURE.exec(message) ?? [];
    return { ...condition, detail, operation };
  }
  const detail = DETAILS.map((pattern) => pattern.exec(message)?.[1]).find((each) => each !== undefined);
  return { ...condition, detail };
}

/**
 * Converts conditions with messages to conditions with details. The details of messages in the words of an older release are lost:
 * the next reconciliation determines them.
 *
 * @param stored conditions of a cluster of version 1 or 2
 */
export const withoutMessages = (stored: unknown): ClusterCondition[] => (stored as Condition[]).map(withoutMessage);
