/** Writes the state machine into docs/life-of-a-cluster.md (`npm run diagram`). */

import { readFileSync, writeFileSync } from "node:fs";
import { insertDiagram } from "./diagram.ts";

const file = new URL("life-of-a-cluster.md", import.meta.url);
writeFileSync(file, insertDiagram(readFileSync(file, "utf8")));
