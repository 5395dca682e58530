/** From valibot's schemas to JSON Schema, losing nothing that is not named here. */

import { toJsonSchemaDefs } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { cidr } from "#core/shared/schemas.ts";

/** JSON Schema 2020-12, as far as this document uses it. */
export type JsonSchema = Record<string, unknown>;

/** Rules that JSON Schema has no words for, by the message of their `v.check`. */
const DROPPED_CHECKS: ReadonlySet<string> = new Set([
  "must be well-formed Unicode, without half a surrogate pair",
  "must not be under cluster.x-k8s.io",
]);

/** Rules that have no message of their own: the arithmetic of CIDR blocks. */
const DROPPED_ACTIONS: ReadonlySet<unknown> = new Set(cidr.pipe.filter(({ type }) => type === "raw_check"));

/** Transformations after which the type is still what it was. */
const HARMLESS: ReadonlySet<string> = new Set(["to_lower_case"]);

/** How a component is referred to. */
export const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

function isDropped(action: { type: string }): boolean {
  if (HARMLESS.has(action.type) || DROPPED_ACTIONS.has(action)) return true;
  return action.type === "check" && DROPPED_CHECKS.has(String((action as { message?: unknown }).message));
}

/**
 * Converts named schemas; where one stands in another, it is referred to.
 *
 * @throws Error for a rule that JSON Schema cannot express and that is not named here
 */
export function convert(schemas: Readonly<Record<string, v.GenericSchema>>): Record<string, JsonSchema> {
  const converted = toJsonSchemaDefs(schemas, {
    target: "draft-2020-12",
    typeMode: "input",
    overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
    overrideAction({ valibotAction, jsonSchema, errors }) {
      if (errors === undefined || isDropped(valibotAction)) return jsonSchema;
      throw new Error(`${errors.join(" ")} Name it in functions/openapi/convert.ts, or write it in other words.`);
    },
    overrideSchema({ valibotSchema, jsonSchema, errors }) {
      if (errors !== undefined) throw new Error(errors.join(" "));
      // Every number of this API is whole.
      return valibotSchema.type === "number" ? { ...jsonSchema, type: "integer" } : jsonSchema;
    },
  });
  return Object.fromEntries(Object.entries(converted).map(([name, schema]) => [name, tidy(schema as JsonSchema)]));
}

/** Leaves out empty lists of what is required, which say nothing, and refuses one that names nothing there. */
function tidy(schema: JsonSchema): JsonSchema {
  return JSON.parse(
    JSON.stringify(schema, (name, value) =>
      name === "required" && Array.isArray(value) && value.length === 0 ? undefined : value,
    ),
  );
}
