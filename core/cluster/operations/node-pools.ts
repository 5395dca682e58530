/** Node pools: what other folders may use, as `NodePool`. */

export { get, list } from "./node-pool-read.ts";
export { create, remove, update } from "./node-pool-write.ts";
