/** Public operations on clusters; other folders import them as `Cluster`. */

export { create } from "./create.ts";
export { get } from "./get.ts";
export { list } from "./list.ts";
export { listEvents } from "./list-events.ts";
export { move, parseMove } from "./move.ts";
export { parsePrometheusRules, updatePrometheusRules } from "./prometheus-rules.ts";
export { parseUndelete, undelete } from "./undelete.ts";
export { update } from "./update.ts";
export { upgrades } from "./upgrades.ts";
