/** Public part of a cluster's OIDC client, for code that must not be able to decrypt its secret. */

import * as v from "valibot";
import { defineEntity, type RawItem } from "../table/entity.ts";
import type { ClusterOidcClient } from "./provisioner.ts";

/** Name of the item of a cluster's OIDC client. */
export const OIDC_CLIENT = "OIDC";

/** Properties of the item that identify the client; absent until the client is registered. */
export const PublicOidcClient = v.object({ issuer: v.optional(v.string()), clientId: v.optional(v.string()) });

const publicOidcClientEntity = defineEntity("oidc-client", 1, PublicOidcClient);

/** Returns the OIDC client of an item. @returns undefined if there is no item or no client */
export function registeredOidcClient(item: RawItem | undefined): ClusterOidcClient | undefined {
  const { issuer, clientId } = item === undefined ? {} : publicOidcClientEntity.read(item);
  return issuer === undefined || clientId === undefined ? undefined : { issuer, clientId };
}
