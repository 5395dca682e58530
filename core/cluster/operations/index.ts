/** Public operations on clusters; other folders import them as `Cluster`. */

export { create } from "./create.ts";
export { get } from "./get.ts";
export { list } from "./list.ts";
export { listEvents } from "./list-events.ts";
export { move } from "./move.ts";
export { updatePrometheusRules } from "./prometheus-rules.ts";
export { undelete } from "./undelete.ts";
export { update } from "./update.ts";
