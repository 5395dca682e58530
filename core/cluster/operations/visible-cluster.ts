/** Finds clusters by their identity, for requests whose body names one. */

import type { Authorized } from "../../access/authorize.ts";
import type { Context } from "../../context.ts";
import type { RawItem } from "../../table/entity.ts";
import { keyText, organisationKey } from "../../table/keys.ts";
import { roleIn, satisfies } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity, pointerEntity } from "../entity.ts";

/** Caller and organisation of a request. */
type Caller = Pick<Authorized, "organisation" | "member">;

/** Returns whether the caller may see what is in an environment: by the role there, unless the environment is being deleted. */
export const isVisibleIn = ({ organisation, member }: Caller, environmentIdentity: string): boolean =>
  organisation.deletedEnvironments?.includes(environmentIdentity) !== true &&
  satisfies(roleIn(member, environmentIdentity), "viewer");

/**
 * Reads the cluster of a pointer. One database round trip.
 *
 * @param item pointer as read
 * @returns undefined if there is no such cluster in the caller's organisation, it is deleted, or the caller cannot see it
 */
export async function readVisibleCluster(
  { table }: Pick<Context, "table">,
  caller: Caller,
  item: RawItem | undefined,
): Promise<Cluster | undefined> {
  const pointer = item && pointerEntity.read(item);
  const { slug } = caller.organisation;
  if (pointer?.organisation !== slug || pointer.ttl !== undefined) return undefined;
  const key = { pk: organisationKey(slug).pk, sk: pointer.path };
  const found = (await table.get([key])).get(keyText(key));
  const cluster = found && clusterEntity.read(found);
  if (cluster?.identity !== pointer.identity) return undefined;
  return isVisibleIn(caller, cluster.environmentIdentity) ? cluster : undefined;
}
