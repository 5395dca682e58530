/** Public operations on members; other folders import them as `Member`. */

export { parseOverride, parseUpdate, remove, removeOverride, setOverride, update } from "./change.ts";
export { create, parseCreate } from "./create.ts";
export { get, getOwn, list, listOfEnvironment } from "./read.ts";
