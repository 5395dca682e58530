/** Trying a write without doing it. */

import { flag, parseQueryParameters, type RawQuery } from "./query.ts";

/** Reads the query of a write: `dryRun=true` asks for all checks and the answer, and changes nothing. */
export const parseWriteQuery = (query: RawQuery) => parseQueryParameters(query, { dryRun: flag });
