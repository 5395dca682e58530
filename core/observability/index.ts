/** Public operations on observability tenants and what they have; other folders import them as `Observability`. */

export { listOrganisationAlerts, listTenantAlerts } from "./alerts.ts";
export { getConfiguration, parseConfiguration, writeConfiguration } from "./configuration.ts";
export { createSilence, expireSilence, listSilences, parseSilence } from "./silences.ts";
export { create, get, list, parseCreate, parseUpdate, remove, update } from "./tenants.ts";
