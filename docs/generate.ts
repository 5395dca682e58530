/** Writes the state machine into docs/life-of-a-cluster.md, and the differences of a dialect into docs/acloud.md (`npm run diagram`). */

import { readFileSync, writeFileSync } from "node:fs";
import { insertDifferences } from "./acloud-rows.ts";
import { insertDiagram } from "./diagram.ts";

function write(name: string, insert: (document: string) => string): void {
  const file = new URL(name, import.meta.url);
  writeFileSync(file, insert(readFileSync(file, "utf8")));
}

write("life-of-a-cluster.md", insertDiagram);
write("acloud.md", insertDifferences);
