/**
 * Writes the state machine into docs/life-of-a-cluster.md, the differences of a dialect into docs/acloud.md, the request bodies into
 * docs/api.md, and the settings that Cluster API cannot express into docs/cluster-api-limits.md (`npm run diagram`).
 */

import { readFileSync, writeFileSync } from "node:fs";
import { insertDifferences } from "./acloud-rows.ts";
import { insertDiagram } from "./diagram.ts";
import { insertRefusals } from "./refusal-rows.ts";
import { insertRequestBodies } from "./request-bodies.ts";

function write(name: string, insert: (document: string) => string): void {
  const file = new URL(name, import.meta.url);
  writeFileSync(file, insert(readFileSync(file, "utf8")));
}

write("life-of-a-cluster.md", insertDiagram);
write("acloud.md", insertDifferences);
write("cluster-api-limits.md", insertRefusals);
write("api.md", insertRequestBodies);
