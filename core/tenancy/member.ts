/** Members and tokens as they are stored. */

import * as v from "valibot";
import { defineEntity } from "../table/entity.ts";
import { environmentRoles, roles } from "./role.ts";

const StoredMember = v.object({
  user: v.string(),
  organisation: v.string(),
  email: v.string(),
  role: v.picklist(roles),
  /** The member's default role inside clusters; empty for none. */
  kubernetesRole: v.picklist(["cluster-admin", "edit", "view", ""]),
  /** By environment identity. */
  environmentRoles: v.record(v.string(), v.picklist(environmentRoles)),
  createdAt: v.string(),
  modifiedAt: v.string(),
  revision: v.number(),
});

/** A user's membership of an organisation. */
export type Member = v.InferOutput<typeof StoredMember>;

/** How a membership is stored. */
export const memberEntity = defineEntity("member", 1, StoredMember);

const StoredToken = v.object({
  tokenId: v.string(),
  user: v.string(),
  name: v.string(),
  hash: v.string(),
  createdAt: v.string(),
  expiresAt: v.string(),
  revokedAt: v.optional(v.string()),
  /** CIDR blocks the token may be used from; empty for anywhere. */
  sources: v.array(v.string()),
});

/** A personal access token's record: everything but the token. */
export type Token = v.InferOutput<typeof StoredToken>;

/** How a token is stored. */
export const tokenEntity = defineEntity("token", 1, StoredToken);

const StoredUserToken = v.object({ tokenId: v.string() });

/** One of a user's tokens, to list them. */
export const userTokenEntity = defineEntity("user-token", 1, StoredUserToken);

const StoredUserOrganisation = v.object({ organisation: v.string() });

/** One of a user's organisations, to list them. */
export const userOrganisationEntity = defineEntity("user-organisation", 1, StoredUserOrganisation);
