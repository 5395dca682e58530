/** Public operations on maintenance schedules; other folders import them as `MaintenanceSchedule`. */

export { get, list } from "./read.ts";
export { create, parseCreate, parseUpdate, remove, update } from "./write.ts";
