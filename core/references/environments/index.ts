/** Public operations on environments; other folders import them as `Environment`. */

export { create, parseCreate } from "./create.ts";
export { get, list, listTypes } from "./read.ts";
export { remove } from "./remove.ts";
export { parseUpdate, update } from "./update.ts";
