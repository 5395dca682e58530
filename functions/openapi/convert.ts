/** Converts valibot's schemas to JSON Schema. Rules that are lost in the conversion are listed here. */

import { toJsonSchemaDefs } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { ipWhiteList } from "#core/observability/schema.ts";
import { BYTES_LIMIT, cidr } from "#core/shared/schemas.ts";

/** JSON Schema 2020-12. */
export type JsonSchema = Record<string, unknown>;

/** Rules that JSON Schema cannot express, by the message of their `v.check`. */
const DROPPED_CHECKS: ReadonlySet<string> = new Set([
  "must be well-formed Unicode, without half a surrogate pair",
  "must be an existing day",
  "must not be under cluster.x-k8s.io",
  "must contain addresses that requests can come from",
  "must be a date and time that exists",
]);

/** Rules without a message of their own: the arithmetic of CIDR blocks. */
const DROPPED_ACTIONS: ReadonlySet<unknown> = new Set(
  [...cidr.pipe, ...ipWhiteList.pipe].filter(({ type }) => type === "raw_check"),
);

/** Transformations that do not change the type. */
const HARMLESS: ReadonlySet<string> = new Set(["to_lower_case"]);

/** Returns a reference to a component. */
export const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

function isDropped(action: { type: string }): boolean {
  if (HARMLESS.has(action.type) || DROPPED_ACTIONS.has(action)) return true;
  const message = String((action as { message?: unknown }).message);
  return action.type === "check" && (DROPPED_CHECKS.has(message) || message.endsWith(BYTES_LIMIT));
}

/**
 * Converts named schemas; a schema inside another becomes a reference.
 *
 * @throws Error for a rule that JSON Schema cannot express and that is not listed here
 */
export function convert(schemas: Readonly<Record<string, v.GenericSchema>>): Record<string, JsonSchema> {
  const converted = toJsonSchemaDefs(schemas, {
    target: "draft-2020-12",
    typeMode: "input",
    overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
    overrideAction({ valibotAction, jsonSchema, errors }) {
      if (errors === undefined || isDropped(valibotAction)) return jsonSchema;
      throw new Error(`${errors.join(" ")} List it in functions/openapi/convert.ts, or express it in another way.`);
    },
    overrideSchema({ valibotSchema, jsonSchema, errors }) {
      if (errors !== undefined) throw new Error(errors.join(" "));
      // Every number in this API is a whole number.
      return valibotSchema.type === "number" ? { ...jsonSchema, type: "integer" } : jsonSchema;
    },
  });
  return Object.fromEntries(Object.entries(converted).map(([name, schema]) => [name, tidy(schema as JsonSchema)]));
}

/** Removes empty lists of required properties. */
function tidy(schema: JsonSchema): JsonSchema {
  return JSON.parse(
    JSON.stringify(schema, (name, value) =>
      name === "required" && Array.isArray(value) && value.length === 0 ? undefined : value,
    ),
  );
}
