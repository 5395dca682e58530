/** Shows in a dry run the objects that the provisioner would make, to callers with the role admin in the environment. */

import type { Authorized } from "../../access/authorize.ts";
import type { Context, ProvisionerTraits, Services, WriteOptions } from "../../context.ts";
import type { NodePool } from "../../node-pool/entity.ts";
import type { DryRun } from "../../request/write.ts";
import type { Problem } from "../../shared/errors.ts";
import type { Parsed } from "../../shared/validation.ts";
import type { CloudAccount } from "../../tenancy/references-entity.ts";
import type { RequiredRole } from "../../tenancy/role.ts";
import type { Cluster } from "../entity.ts";

/** Cluster of which objects are shown, as it would be stored. */
export interface ManifestSubject {
  cluster: Cluster;
  /** All pools, including those that are being deleted. */
  nodePools: readonly NodePool[];
  /** UUID. */
  organisationIdentity: string;
  account: CloudAccount;
  /** False for a cluster that does not exist yet. */
  isStored: boolean;
}

/** Traits of a provisioner that makes clusters of objects and can show them without secrets. */
export interface ManifestRenderer extends ProvisionerTraits {
  /**
   * Returns the objects of a cluster in the order in which they are applied.
   *
   * @throws AppError invalid with every problem that prevents it
   */
  renderManifests(services: Pick<Services, "table">, subject: ManifestSubject): Promise<readonly object[]>;
}

const rendererIn = (provisioner: ProvisionerTraits): ManifestRenderer | undefined =>
  "renderManifests" in provisioner ? (provisioner as ManifestRenderer) : undefined;

/** Property of a request that asks for the objects, for messages. */
export const INCLUDE_MANIFESTS = "includeManifests";

/** Identity in place of one that the server would generate. */
const unknownIdentity = (position: number): string =>
  `00000000-0000-0000-0000-${position.toString(16).padStart(12, "0")}`;

/** Identity of a cluster that does not exist yet, in its objects. */
export const UNKNOWN_CLUSTER = unknownIdentity(0);

/** Returns the identity of a node pool that does not exist yet, in its objects. @param position position among the new pools, from 0 */
export const unknownNodePool = (position: number): string => unknownIdentity(position + 1);

/** Returns the role that a write of a developer requires: objects show settings of the platform, so they are for admins. */
export const writerRole = ({ value }: Parsed<WriteOptions>): RequiredRole =>
  value.includeManifests === true ? "admin" : "developer";

/** Finds out why the objects that a request asks for cannot be shown. */
export function manifestProblems(
  { provisioner }: Pick<Services, "provisioner">,
  { value: { includeManifests, dryRun } }: Parsed<WriteOptions>,
): Problem[] {
  if (includeManifests !== true) return [];
  const problem = (message: string): Problem => ({
    path: INCLUDE_MANIFESTS,
    message: `true is not allowed: ${message}`,
  });
  return [
    ...(dryRun ? [] : [problem("only a dry run shows objects; send dryRun=true too")]),
    ...(rendererIn(provisioner) === undefined
      ? [problem(`the provisioner of this server (${provisioner.name}) makes no Kubernetes objects; leave it out`)]
      : []),
  ];
}

/**
 * Adds the objects to the result of a dry run, if the request asks for them.
 *
 * @param subjectOf returns the cluster and its pools as they would be stored
 * @throws AppError as `renderManifests`
 */
export async function withManifests<Body>(
  context: Context,
  { value: { includeManifests } }: Parsed<WriteOptions>,
  { organisation, references }: Pick<Authorized, "organisation" | "references">,
  result: DryRun<Body>,
  subjectOf: () => Pick<ManifestSubject, "cluster" | "nodePools" | "isStored">,
): Promise<DryRun<Body>> {
  const renderer = rendererIn(context.provisioner);
  if (includeManifests !== true || renderer === undefined) return result;
  const subject = subjectOf();
  const { cloudAccountIdentity } = subject.cluster;
  const account = references.accounts[cloudAccountIdentity];
  if (account === undefined) throw new Error(`the cloud account ${cloudAccountIdentity} of a cluster does not exist`);
  const whole = { ...subject, organisationIdentity: organisation.identity, account };
  return { ...result, manifests: await renderer.renderManifests(context, whole) };
}
