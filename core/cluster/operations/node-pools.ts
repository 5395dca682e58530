/** Public operations on node pools; other folders import them as `NodePool`. */

export { get, list } from "./node-pool-read.ts";
export { create, remove, update } from "./node-pool-write.ts";
