/** Structural schemas of custom resources, and their conversion to JSON Schema. */

import type { AnySchemaObject } from "ajv";

/** Validation rule in the Common Expression Language. */
export interface ValidationRule {
  rule: string;
  message?: string;
}

/** Part of a schema of a CustomResourceDefinition that this validator reads. */
export interface StructuralSchema {
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  nullable?: boolean;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  additionalProperties?: StructuralSchema | boolean;
  items?: StructuralSchema;
  default?: unknown;
  anyOf?: StructuralSchema[];
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: ValidationRule[];
}

/** Keywords of JSON Schema that mean the same in a structural schema. */
const SAME = [
  "allOf",
  "default",
  "enum",
  "exclusiveMaximum",
  "exclusiveMinimum",
  "format",
  "maxItems",
  "maxLength",
  "maxProperties",
  "maximum",
  "minItems",
  "minLength",
  "minProperties",
  "minimum",
  "multipleOf",
  "pattern",
  "required",
];

/** Keywords that are read here, or that do not restrict values. */
const READ = [
  "additionalProperties",
  "anyOf",
  "description",
  "items",
  "nullable",
  "properties",
  "type",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-list-type",
  "x-kubernetes-map-type",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-validations",
];

/** Name of the keyword that refuses two items of a list with the same keys. */
export const UNIQUE_KEYS = "uniqueKeys";

/** Returns whether an object with this schema may have fields that the schema does not name. */
export const isOpen = (schema: StructuralSchema): boolean =>
  schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties !== undefined;

/**
 * Converts a structural schema to JSON Schema. Fields that an API server would drop are refused, as with `fieldValidation=Strict`.
 *
 * @throws Error for a keyword that the conversion does not know
 */
export function toJsonSchema(schema: StructuralSchema): AnySchemaObject {
  for (const keyword of Object.keys(schema)) {
    if (!SAME.includes(keyword) && !READ.includes(keyword)) throw new Error(`unknown keyword ${keyword} of a schema`);
  }
  const result: AnySchemaObject = Object.fromEntries(
    Object.entries(schema).filter(([keyword]) => SAME.includes(keyword)),
  );
  const type = schema["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : schema.type;
  if (type !== undefined) result.type = schema.nullable === true ? [type, "null"].flat() : type;
  if (schema.items !== undefined) result.items = toJsonSchema(schema.items);
  if (schema.properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, property]) => [name, toJsonSchema(property)]),
    );
  }
  if (type === "object") {
    const { additionalProperties } = schema;
    result.additionalProperties =
      typeof additionalProperties === "object" ? toJsonSchema(additionalProperties) : isOpen(schema);
  }
  if (schema["x-kubernetes-list-type"] === "set") result.uniqueItems = true;
  if (schema["x-kubernetes-list-type"] === "map") result[UNIQUE_KEYS] = schema["x-kubernetes-list-map-keys"] ?? [];
  return result;
}
