/** The operator's commands about the whole table. */

import { entities } from "#core/entities.ts";
import { checkTable } from "#core/integrity/check.ts";
import { migrateItems } from "#core/table/migrate.ts";
import type { Command } from "./command.ts";

/** The commands by name. */
export const tableCommands: Readonly<Record<string, Command>> = {
  "table check": {
    usage: "",
    options: {},
    async run(services) {
      const report = await checkTable(services);
      return { print: report, failed: report.contradictions.length > 0 };
    },
  },
  "table migrate": {
    usage: "",
    options: {},
    async run({ table, patienceMs }, _, { tell }) {
      const onProgress = (done: number) => tell(`${done} items`);
      const report = await migrateItems({ table, patienceMs, entities, onProgress });
      return { print: report, failed: report.strange.length > 0 };
    },
  },
};
