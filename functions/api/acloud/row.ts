/** Rows of the tables of differences between the dialect of the published clients and the documented one. */

import type { JsonObject } from "../dialect.ts";

/** JSON Schema of a property in the OpenAPI document of the dialect. */
export type Shape = Readonly<Record<string, unknown>>;

/** Difference in one property. */
interface Row {
  /** Sentence that states the difference. It is part of the OpenAPI document and of docs/acloud.md. */
  readonly text: string;
  /** Schema of the property; absent for the documented one. */
  readonly shape?: Shape;
  /** Whether the property is required; absent for as documented. */
  readonly isRequired?: boolean;
}

/** Difference in one property of a response. */
export interface ResponseRow extends Row {
  /** Returns the value; undefined to leave the property out. @param body result of the operation */
  readonly render: (body: JsonObject) => unknown;
}

/** Difference in one property of a request. */
export interface RequestRow extends Row {
  /**
   * Returns the properties to set before the documented parser reads the body; undefined removes one. Absent if the parser accepts
   * the other form by itself.
   *
   * @param body body as sent, after the rows above
   */
  readonly normalise?: (body: JsonObject) => JsonObject;
}

/** Rows by the property's name, by the schema's name in the table of routes. */
export type Rows<Of> = Readonly<Record<string, Readonly<Record<string, Of>>>>;

/** Returns the ids of rows: schema and property. */
export const rowIds = (rows: Rows<unknown>): string[] =>
  Object.entries(rows).flatMap(([schema, own]) => Object.keys(own).map((property) => `${schema}.${property}`));
