/** Decides about writes of Alertmanager configurations. Pure functions. */

import type { Change } from "../events/entity.ts";
import type { OrganisationEvent } from "../events/organisation-events.ts";
import type { Representation } from "../request/idempotency.ts";
import { type Precondition, revisionMismatch } from "../request/preconditions.ts";
import { type AppError, invalid, type Problem } from "../shared/errors.ts";
import { memberPath, type Validated } from "../shared/validation.ts";
import type { Configuration, Tenant } from "./entity.ts";
import type { AlertmanagerConfiguration, UpdateAlertmanagerConfiguration } from "./schema.ts";
import { tenantPath } from "./tenant-rules.ts";
import { yamlProblem } from "./yaml-syntax.ts";

/** Configuration of a tenant for which none is stored. */
const EMPTY: AlertmanagerConfiguration = { ruleFiles: {}, templateFiles: {}, alertManagerConfig: "" };

const contentOf = ({ ruleFiles, templateFiles, alertManagerConfig }: AlertmanagerConfiguration) => ({
  alertManagerConfig,
  ruleFiles,
  templateFiles,
});

/**
 * Builds the representation of a tenant's configuration. Its entity tag identifies the tenant, too.
 *
 * @param stored undefined for a tenant without one
 */
export const representConfiguration = (
  tenant: Tenant,
  stored: Configuration | undefined,
): Representation<AlertmanagerConfiguration> => ({
  kind: "representation",
  body: contentOf(stored ?? EMPTY),
  etag: `${stored?.revision ?? 0}-${tenant.identity.slice(0, 8)}`,
});

/** Finds the problems of files in YAML. Templates have a syntax of their own. */
function yamlProblems(value: Validated<UpdateAlertmanagerConfiguration>["value"]): Problem[] {
  const texts = [
    ["alertManagerConfig", value?.alertManagerConfig] as const,
    ...Object.entries(value?.ruleFiles ?? {}).map(([name, text]) => [memberPath("ruleFiles", name), text] as const),
  ];
  return texts.flatMap(([path, text]) => {
    const message = text === undefined ? undefined : yamlProblem(text);
    return message === undefined ? [] : [{ path, message }];
  });
}

/** Request to write a configuration, and the state that decides about it. */
interface WriteState {
  tenant: Tenant;
  /** Stored configuration, if there is one. */
  stored: Configuration | undefined;
  body: Validated<UpdateAlertmanagerConfiguration>;
  /** Problems of the request in addition to those of the body. */
  problems: readonly Problem[];
  precondition: Precondition | undefined;
}

/** Decision about a write of a configuration. */
type Decision =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged" }
  | { kind: "write"; after: AlertmanagerConfiguration; properties: readonly string[]; event: OrganisationEvent };

const MEMBERS = ["alertManagerConfig", "ruleFiles", "templateFiles"] as const;

/** Size of a text, as events show it instead of the text. */
const sizeOf = (text: string | undefined) => (text === undefined ? undefined : { bytes: Buffer.byteLength(text) });

/**
 * Returns the changes between two configurations. They contain names and sizes, no contents, which can be large and contain credentials
 * of receivers.
 */
function changesOf(tenant: Tenant, before: AlertmanagerConfiguration, after: AlertmanagerConfiguration) {
  const path = `${tenantPath(tenant)}.alertmanager` as const;
  const changes: Change<`${typeof path}.${string}`>[] = [];
  const compare = (at: string, from: string | undefined, to: string | undefined) => {
    if (from !== to) changes.push({ path: `${path}.${at}`, from: sizeOf(from), to: sizeOf(to) });
  };
  compare("alertManagerConfig", before.alertManagerConfig || undefined, after.alertManagerConfig || undefined);
  for (const member of ["ruleFiles", "templateFiles"] as const) {
    const [from, to] = [new Map(Object.entries(before[member])), new Map(Object.entries(after[member]))];
    for (const name of new Set([...from.keys(), ...to.keys()])) {
      compare(`${member}[${name}]`, from.get(name), to.get(name));
    }
  }
  return changes;
}

/** Decides about a write of a whole configuration, in the contract's order: problems, precondition. */
export function decideWrite({ tenant, stored, body, problems, precondition }: WriteState): Decision {
  const all = [...problems, ...body.problems, ...yamlProblems(body.value)];
  if (all.length > 0) return { kind: "refuse", error: invalid(all) };
  const mismatch = revisionMismatch(precondition, representConfiguration(tenant, stored).etag);
  if (mismatch !== undefined) return { kind: "refuse", error: mismatch };
  const before = stored ?? EMPTY;
  const { alertManagerConfig = "", ruleFiles = {}, templateFiles = {} } = body.complete();
  const after = { alertManagerConfig, ruleFiles, templateFiles };
  const changes = changesOf(tenant, before, after);
  if (changes.length === 0) return { kind: "unchanged" };
  const path = `${tenantPath(tenant)}.alertmanager`;
  const properties = MEMBERS.filter((member) => changes.some((change) => change.path.startsWith(`${path}.${member}`)));
  return { kind: "write", after, properties, event: { type: "alertmanager.updated", changes } };
}
