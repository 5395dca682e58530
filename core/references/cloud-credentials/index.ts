/** Public operations on cloud credentials; other folders import them as `CloudCredentials`. */

export { get, list } from "./read.ts";
export { create, remove, update } from "./write.ts";
