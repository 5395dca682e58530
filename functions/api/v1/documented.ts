/** Removes from responses what the API documentation does not have. */

import { renderElements, type SuccessSchema } from "../dialect.ts";

/** Schemas of results with undocumented properties. */
const UNDOCUMENTED: ReadonlySet<string> = new Set(["ClusterResponse", "ClusterNodePoolResponse"]);

/** Removes the undocumented properties from a response. @param schema its schema in the table of routes */
export const renderDocumented = (schema: SuccessSchema, body: unknown): unknown =>
  renderElements(schema, body, (name, element) =>
    // JSON omits the property. A copy without it would take longer.
    UNDOCUMENTED.has(name) ? { ...element, undocumented: undefined } : element,
  );
