/** Writes the OpenAPI documents to where they are served from: `npm run openapi`. */

import { writeFileSync } from "node:fs";
import { documents, writtenDocument } from "./document.ts";

for (const file of Object.keys(documents) as (keyof typeof documents)[]) {
  writeFileSync(new URL(file, import.meta.url), writtenDocument(file));
}
