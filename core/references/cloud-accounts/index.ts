/** Public operations on cloud accounts; other folders import them as `CloudAccount`. */

export { get, list } from "./read.ts";
export { create, parseCreate, parseUpdate, remove, update } from "./write.ts";
