/** Node pools: what other folders may use, as `NodePool`. */

export { get, list } from "./read.ts";
export { create, remove, update } from "./write.ts";
