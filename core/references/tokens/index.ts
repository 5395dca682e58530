/** Public operations on the caller's personal access tokens; other folders import them as `Token`. */

export { create, parseCreate } from "./create.ts";
export { list } from "./list.ts";
export { remove } from "./remove.ts";
