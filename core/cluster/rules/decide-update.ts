/** Decides about a change of a cluster. Pure functions. */

import type { ProvisionerTraits } from "../../context.ts";
import type { Change } from "../../events/entity.ts";
import { type Precondition, revisionMismatch } from "../../request/preconditions.ts";
import { type AppError, invalid, type Problem } from "../../shared/errors.ts";
import { formatValue } from "../../shared/validation.ts";
import type { Environment } from "../../tenancy/environment.ts";
import type { References } from "../../tenancy/references-entity.ts";
import type { Cluster } from "../entity.ts";
import type { EventOf, TrackedName } from "../event-types.ts";
import { clusterNeedsCredentials } from "./credentials.ts";
import { type SlugOwners, slugConflict } from "./slug.ts";
import { isDeleting } from "./transitions.ts";
import { changeProblems, withoutRepeated } from "./unsupported.ts";
import {
  applyUpdate,
  diffClusters,
  invalidState,
  type ParsedUpdate,
  unreachableVersion,
  updateConflict,
  updateProblems,
} from "./update.ts";

/** Destination of a move. */
export interface Destination {
  /** Path of the property that names the environment. */
  property: string;
  /** Slug of the environment, as sent. */
  slug: string;
  /** Undefined if there is no such environment. */
  environment: Environment | undefined;
  /** Clusters that have the slug of the cluster in this environment. */
  owners: SlugOwners;
}

/** Request to change a cluster, and the state that decides about it. */
export interface UpdateState {
  cluster: Cluster;
  /** Current entity tag of the cluster, without quotes. */
  etag: string;
  references: References;
  provisioner: ProvisionerTraits;
  update: ParsedUpdate;
  /** Problems of the request in addition to those of `update`. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
  /** Undefined if the cluster stays in its environment. */
  destination: Destination | undefined;
  dryRun: boolean;
}

/** Decision about a change of a cluster. */
export type UpdateDecision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged" }
  | { kind: "dryRun"; after: Cluster; changes: readonly Change<TrackedName>[] }
  | { kind: "write"; after: Cluster; event: EventOf };

/** Decides about a change of a cluster, in the contract's order: problems, precondition, conflicts, reachable versions. */
export function decideUpdate(state: UpdateState): UpdateDecision {
  const { cluster, destination, references } = state;
  const { value: request } = state.update;
  const updated = applyUpdate(cluster, request, clusterNeedsCredentials(state.provisioner, cluster));
  const found = [
    ...state.problems,
    ...state.update.problems,
    ...updateProblems(cluster, request, references),
    ...destinationProblems(destination),
  ];
  const problems = [
    ...found,
    ...withoutRepeated(found, changeProblems(cluster, updated, references, state.provisioner)),
  ];
  if (problems.length > 0) return { kind: "refuse", error: invalid(problems) };
  const after = withEnvironment(updated, destination?.environment);
  const error =
    revisionMismatch(state.precondition, state.etag) ??
    updateConflict(cluster, request, updated) ??
    (destination && moveConflict(after, destination)) ??
    unreachableVersion(cluster, after);
  if (error !== undefined) return { kind: "refuse", error };
  const changes = diffClusters(cluster, after);
  if (state.dryRun) return { kind: "dryRun", after, changes };
  if (changes.length === 0) return { kind: "unchanged" };
  const isDeletion = after.status === "deleting";
  const type =
    destination !== undefined ? "cluster.moved" : isDeletion ? "cluster.deletion-requested" : "cluster.updated";
  return { kind: "write", after, event: { type, changes } };
}

const destinationProblems = (destination: Destination | undefined): Problem[] =>
  destination === undefined || destination.environment !== undefined
    ? []
    : [
        {
          path: destination.property,
          message: `${formatValue(destination.slug)} is not allowed: must be an environment of the organisation`,
        },
      ];

const withEnvironment = (cluster: Cluster, environment: Environment | undefined): Cluster =>
  environment === undefined
    ? cluster
    : { ...cluster, environment: environment.slug, environmentIdentity: environment.identity };

const moveConflict = (after: Cluster, { property, owners }: Destination): AppError | undefined =>
  isDeleting(after)
    ? invalidState(after, `${property}: a cluster that is being deleted cannot move`)
    : slugConflict(owners, property);
