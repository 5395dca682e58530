/** Writes the OpenAPI document to where it is served from: `npm run openapi`. */

import { writeFileSync } from "node:fs";
import { writtenDocument } from "./document.ts";

writeFileSync(new URL("./openapi.json", import.meta.url), writtenDocument());
