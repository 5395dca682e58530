/** Shapes of observability tenants, Alertmanager configurations, silences and alerts in requests and responses. */

import * as v from "valibot";
import type { ObservabilityTenant } from "../cluster/schema.ts";
import { parseCidr } from "../shared/ip.ts";
import { dateTime, identity, maxCharacters, text, timestamp } from "../shared/schemas.ts";
import { NAME_PATTERN } from "../shared/slug.ts";
import type { Tenant } from "./entity.ts";

/** Maximum number of blocks in the IP whitelist of a tenant. */
const MAX_BLOCKS = 100;

/** Returns the CIDR blocks of a whitelist; none in an empty one. */
const blocksOf = (list: string): string[] => (list.trim() === "" ? [] : list.split(",").map((block) => block.trim()));

const name = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(63),
  v.regex(NAME_PATTERN, "must be ASCII letters, digits, spaces, - and &, with at least one letter or digit"),
);

/** Address blocks that may reach a tenant, as one text. */
export const ipWhiteList = v.pipe(
  text,
  v.maxLength(5_000),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const blocks = blocksOf(dataset.value);
    if (blocks.length > MAX_BLOCKS) addIssue({ message: `must have at most ${MAX_BLOCKS} address blocks` });
    for (const block of blocks.slice(0, MAX_BLOCKS)) {
      const parsed = parseCidr(block);
      if (typeof parsed === "string") addIssue({ message: `${JSON.stringify(block.slice(0, 64))} ${parsed}` });
    }
  }),
  v.description(
    `Address blocks in CIDR notation with commas between them, at most ${MAX_BLOCKS}. Empty: every address. Returned as sent.`,
  ),
);

/** Request to create a tenant. */
export const CreateObservabilityTenant = v.object({ ipWhiteList: v.optional(ipWhiteList), name });
export type CreateObservabilityTenant = v.InferOutput<typeof CreateObservabilityTenant>;

/** Request to change a tenant. A property that is absent does not change. */
export const UpdateObservabilityTenant = v.object({ ipWhiteList: v.optional(ipWhiteList), name: v.optional(name) });
export type UpdateObservabilityTenant = v.InferOutput<typeof UpdateObservabilityTenant>;

/** Response with a tenant. */
export type TenantResponse = v.InferOutput<typeof ObservabilityTenant>;

/** Builds the response for a tenant. @param organisation slug of its organisation */
export const toTenantResponse = (tenant: Tenant, organisation: string): TenantResponse => ({
  available: true,
  createdAt: tenant.createdAt,
  customer: organisation,
  id: tenant.id,
  identity: tenant.identity,
  ipWhiteList: tenant.ipWhiteList,
  modifiedAt: tenant.modifiedAt,
  name: tenant.name,
  slug: tenant.slug,
});

/** Maximum number of rule files, and of template files, of a tenant. */
const MAX_FILES = 50;

const files = (what: string) =>
  v.pipe(
    v.record(
      v.pipe(
        v.string(),
        v.regex(
          /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
          "a file name must be 1 to 100 characters: A-Z, a-z, 0-9, ., _ and -, with a letter or digit first",
        ),
      ),
      text,
    ),
    v.maxEntries(MAX_FILES),
    v.description(`${what}: contents by file name. At most ${MAX_FILES}.`),
  );

/** Request with a whole Alertmanager configuration: what is absent becomes empty. */
export const UpdateAlertmanagerConfiguration = v.object({
  alertManagerConfig: v.optional(v.pipe(text, v.description("Configuration of Alertmanager, in YAML."))),
  ruleFiles: v.optional(files("Files with Prometheus rules, in YAML")),
  templateFiles: v.optional(files("Files with templates of notifications")),
});
export type UpdateAlertmanagerConfiguration = v.InferOutput<typeof UpdateAlertmanagerConfiguration>;

/** Alertmanager configuration of a tenant, with its rules and templates. */
export const AlertmanagerConfiguration = v.object({
  alertManagerConfig: v.string(),
  ruleFiles: v.record(v.string(), v.string()),
  templateFiles: v.record(v.string(), v.string()),
});
export type AlertmanagerConfiguration = v.InferOutput<typeof AlertmanagerConfiguration>;

/** Maximum number of matchers of a silence. */
const MAX_MATCHERS = 20;

/** Matcher of a silence in a request. */
export const CreateSilenceMatcher = v.object({
  isEqual: v.optional(v.pipe(v.boolean(), v.description("False for a label that must not match. Default: true."))),
  isRegex: v.optional(
    v.pipe(v.boolean(), v.description("True for a regular expression of RE2, anchored at both ends. Default: false.")),
  ),
  name: v.pipe(
    v.string(),
    v.regex(
      /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
      "must be the name of a label: 1 to 128 characters, A-Z, a-z, 0-9 and _, without a digit first",
    ),
  ),
  value: v.pipe(text, maxCharacters(1_000)),
});

/** Request to create a silence. */
export const CreateSilence = v.object({
  comment: v.pipe(text, maxCharacters(1_000), v.regex(/\S/, "must not be blank")),
  endsAt: v.pipe(timestamp, v.description("After the present time and after startsAt.")),
  matchers: v.pipe(
    v.array(CreateSilenceMatcher),
    v.minLength(1),
    v.maxLength(MAX_MATCHERS),
    v.description("An alert is silenced if all of them match. At least one must not match an empty label."),
  ),
  startsAt: v.optional(
    v.pipe(timestamp, v.description("A past time counts as the present time, which is the default.")),
  ),
});
export type CreateSilence = v.InferOutput<typeof CreateSilence>;

/** States of a silence. */
export const silenceStates = ["active", "pending", "expired"] as const;
export type SilenceState = (typeof silenceStates)[number];

/** Matcher of a silence. */
export const SilenceMatcher = v.object({
  isEqual: v.boolean(),
  isRegex: v.boolean(),
  name: v.string(),
  value: v.string(),
});

/** State of a silence. */
export const SilenceStatus = v.object({
  state: v.pipe(v.picklist(silenceStates), v.description("Before startsAt pending, from endsAt on expired.")),
});

/** Response with a silence. */
export const SilenceResponse = v.object({
  comment: v.string(),
  createdBy: v.pipe(v.string(), v.description("Email of the user.")),
  endsAt: dateTime,
  id: identity,
  matchers: v.array(SilenceMatcher),
  startsAt: dateTime,
  status: SilenceStatus,
});
export type SilenceResponse = v.InferOutput<typeof SilenceResponse>;

/** Response with an alert. */
export const Alert = v.object({
  activeAt: dateTime,
  annotations: v.record(v.string(), v.string()),
  labels: v.record(v.string(), v.string()),
  state: v.string(),
  value: v.string(),
});
export type Alert = v.InferOutput<typeof Alert>;
