/** Trying a write without doing it. */

import { flag, type RawQuery, readQuery } from "./query.ts";

/** Reads the query of a write: `dryRun=true` asks for all checks and the answer, and changes nothing. */
export const readWriteQuery = (query: RawQuery) => readQuery(query, { dryRun: flag });
