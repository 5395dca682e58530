/** Node pools: what other folders may use, as `NodePool`. */

export { get, list } from "./read.ts";
