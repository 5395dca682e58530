/** Stored shapes of members and tokens. */

import { createHash } from "node:crypto";
import * as v from "valibot";
import { defineEntity, sameProperties } from "../table/entity.ts";
import { environmentRoles, roles } from "./role.ts";

/** Roles of a member inside clusters; empty for none. */
export const kubernetesRoles = ["cluster-admin", "edit", "view", ""] as const;

const StoredMember = v.object({
  user: v.string(),
  organisation: v.string(),
  email: v.string(),
  username: v.optional(v.string()),
  role: v.picklist(roles),
  /** Role of the member inside clusters, in every environment without another one. */
  kubernetesRole: v.picklist(kubernetesRoles),
  /** By environment identity. */
  environmentRoles: v.record(v.string(), v.picklist(environmentRoles)),
  /** By environment identity. */
  environmentKubernetesRoles: v.optional(v.record(v.string(), v.picklist(kubernetesRoles))),
  createdAt: v.string(),
  modifiedAt: v.string(),
  /** Starts at a random number, so that a membership of a user who is added again has no revision of the earlier one. */
  revision: v.number(),
  /** Id of the last change, by which an attempt recognises its own write. */
  writtenBy: v.optional(v.string()),
});

/** Membership of a user in an organisation. */
export type Member = v.InferOutput<typeof StoredMember>;

/** Entity of a membership. */
export const memberEntity = defineEntity("member", 2, StoredMember, {
  attributes: ["revision"],
  migrations: { 1: sameProperties },
});

const StoredMemberEmail = v.object({ user: v.string() });

/** Entity of the link from an e-mail address to the member who has it. */
export const memberEmailEntity = defineEntity("member-email", 1, StoredMemberEmail);

/** Returns the hash of an e-mail address, by which addresses are compared without regard to case. */
export const emailHash = (email: string): string => createHash("sha256").update(email.toLowerCase()).digest("hex");

const StoredToken = v.object({
  tokenId: v.string(),
  user: v.string(),
  name: v.string(),
  hash: v.string(),
  createdAt: v.string(),
  expiresAt: v.string(),
  revokedAt: v.optional(v.string()),
  /** Id of the request that revoked it, by which an attempt recognises its own write. */
  revokedBy: v.optional(v.string()),
  /** Time of a request with the token, not more than a day older than the last one; see core/access/token-use.ts. */
  lastUsedAt: v.optional(v.string()),
  /** True if the user created it and it counts towards the limit. It exists until it is revoked, also after it has expired. */
  isCounted: v.optional(v.boolean()),
  /** CIDR blocks that the token may be used from; empty allows every address. */
  sources: v.array(v.string()),
});

/** Record of a personal access token: everything except the token itself. */
export type Token = v.InferOutput<typeof StoredToken>;

/** Entity of a token. */
export const tokenEntity = defineEntity("token", 2, StoredToken, {
  attributes: ["revokedAt", "revokedBy", "lastUsedAt"],
  migrations: { 1: sameProperties },
});

const StoredUserToken = v.object({ tokenId: v.string() });

/** Entity of the link from a user to one of its tokens, for listing. */
export const userTokenEntity = defineEntity("user-token", 1, StoredUserToken);

const StoredTokenCount = v.object({ tokens: v.number() });

/** Entity of the number of tokens that a user created and did not revoke. */
export const tokenCountEntity = defineEntity("user-token-count", 1, StoredTokenCount);

/** Maximum number of tokens that a user can have. Tokens that an operator created do not count. */
export const MAX_TOKENS = 50;

const StoredUserOrganisation = v.object({ organisation: v.string() });

/** Entity of the link from a user to one of its organisations, for listing. */
export const userOrganisationEntity = defineEntity("user-organisation", 1, StoredUserOrganisation);
