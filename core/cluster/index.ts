/** Clusters: what other folders may use, as `Cluster`. */

export { create } from "./create.ts";
export { get } from "./get.ts";
export { list } from "./list.ts";
