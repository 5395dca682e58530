/** Stored shapes of observability tenants, their Alertmanager configuration and their silences. */

import * as v from "valibot";
import { freeNames } from "../shared/schemas.ts";
import { defineEntity } from "../table/entity.ts";

const StoredTenant = v.object({
  identity: v.string(),
  /** Numeric id, as environments have one. */
  id: v.number(),
  slug: v.string(),
  name: v.string(),
  /** As sent: CIDR blocks with commas between them. */
  ipWhiteList: v.string(),
  createdAt: v.string(),
  modifiedAt: v.string(),
  revision: v.number(),
  /** Id of the last change, by which an attempt recognises its own write. */
  writtenBy: v.optional(v.string()),
});

/** Observability tenant of an organisation. */
export type Tenant = v.InferOutput<typeof StoredTenant>;

/** Entity of an observability tenant. */
export const tenantEntity = defineEntity("observability-tenant", 1, StoredTenant, {
  attributes: ["identity", "revision"],
});

const StoredConfiguration = v.object({
  /** Contents by the names of the files. */
  ruleFiles: freeNames<string>(),
  templateFiles: freeNames<string>(),
  alertManagerConfig: v.string(),
  revision: v.number(),
  /** Id of the last change, by which an attempt recognises its own write. */
  writtenBy: v.string(),
});

/** Alertmanager configuration of a tenant, with its rules and templates. A new tenant has none stored. */
export type Configuration = v.InferOutput<typeof StoredConfiguration>;

/** Entity of an Alertmanager configuration. */
export const configurationEntity = defineEntity("alertmanager-configuration", 1, StoredConfiguration, {
  attributes: ["revision"],
});

const StoredSilence = v.object({
  id: v.string(),
  matchers: v.array(v.object({ name: v.string(), value: v.string(), isRegex: v.boolean(), isEqual: v.boolean() })),
  startsAt: v.string(),
  endsAt: v.string(),
  createdBy: v.string(),
  comment: v.string(),
  revision: v.number(),
  /** Id of the last change, by which an attempt recognises its own write. */
  writtenBy: v.string(),
});

/** Silence of a tenant. Its state follows from its times. */
export type Silence = v.InferOutput<typeof StoredSilence>;

const StoredSilences = v.object({
  silences: v.array(StoredSilence),
  revision: v.number(),
  /** Time at which the last of them has expired and its retention is over. */
  ttl: v.number(),
});

/** All silences of a tenant. They are one item, so that their limit is exact and one read returns all. */
export type Silences = v.InferOutput<typeof StoredSilences>;

/** Entity of the silences of a tenant. */
export const silencesEntity = defineEntity("silences", 1, StoredSilences, { attributes: ["revision", "ttl"] });
