/** Stored shapes of members and tokens. */

import * as v from "valibot";
import { defineEntity, sameProperties } from "../table/entity.ts";
import { environmentRoles, roles } from "./role.ts";

const StoredMember = v.object({
  user: v.string(),
  organisation: v.string(),
  email: v.string(),
  role: v.picklist(roles),
  /** Default role of the member inside clusters; empty for none. */
  kubernetesRole: v.picklist(["cluster-admin", "edit", "view", ""]),
  /** By environment identity. */
  environmentRoles: v.record(v.string(), v.picklist(environmentRoles)),
  createdAt: v.string(),
  modifiedAt: v.string(),
  revision: v.number(),
});

/** Membership of a user in an organisation. */
export type Member = v.InferOutput<typeof StoredMember>;

/** Entity of a membership. */
export const memberEntity = defineEntity("member", 2, StoredMember, {
  attributes: ["revision"],
  migrations: { 1: sameProperties },
});

const StoredToken = v.object({
  tokenId: v.string(),
  user: v.string(),
  name: v.string(),
  hash: v.string(),
  createdAt: v.string(),
  expiresAt: v.string(),
  revokedAt: v.optional(v.string()),
  /** CIDR blocks that the token may be used from; empty allows every address. */
  sources: v.array(v.string()),
});

/** Record of a personal access token: everything except the token itself. */
export type Token = v.InferOutput<typeof StoredToken>;

/** Entity of a token. */
export const tokenEntity = defineEntity("token", 2, StoredToken, {
  attributes: ["revokedAt"],
  migrations: { 1: sameProperties },
});

const StoredUserToken = v.object({ tokenId: v.string() });

/** Entity of the link from a user to one of its tokens, for listing. */
export const userTokenEntity = defineEntity("user-token", 1, StoredUserToken);

const StoredUserOrganisation = v.object({ organisation: v.string() });

/** Entity of the link from a user to one of its organisations, for listing. */
export const userOrganisationEntity = defineEntity("user-organisation", 1, StoredUserOrganisation);
