/** Dry runs of writes. */

import { flag, parseQueryParameters, type RawQuery } from "./query.ts";

/** Parses the query of a write. `dryRun=true` makes all checks, returns the response and changes nothing. */
export const parseWriteQuery = (query: RawQuery) => parseQueryParameters(query, { dryRun: flag });
