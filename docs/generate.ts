/** Writes the state machine into docs/life-of-a-cluster.md (`npm run diagram`). */

import { readFileSync, writeFileSync } from "node:fs";
import { withDiagram } from "./diagram.ts";

const file = new URL("life-of-a-cluster.md", import.meta.url);
writeFileSync(file, withDiagram(readFileSync(file, "utf8")));
