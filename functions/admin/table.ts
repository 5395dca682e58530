/** The operator's commands for the whole table. */

import { entities } from "#core/admin/entities.ts";
import { checkTable } from "#core/admin/integrity/check.ts";
import { migrateItems } from "#core/admin/migrate.ts";
import { repairUsage } from "#core/admin/usage-repair.ts";
import { type Command, orgOption, stringOption } from "./command.ts";

/** Commands by name. */
export const tableCommands: Readonly<Record<string, Command>> = {
  "table check": {
    usage: "",
    options: {},
    async run(services) {
      const report = await checkTable(services);
      return { print: report, failed: report.contradictions.length > 0 };
    },
  },
  "usage repair": {
    usage: "--org <slug>",
    options: { org: stringOption },
    required: ["org"],
    async run(services, given) {
      return { print: await repairUsage(services, orgOption(given)) };
    },
  },
  "table migrate": {
    usage: "",
    options: {},
    async run({ table, writeTimeoutMs }, _, { report: reportProgress }) {
      const onProgress = (done: number) => reportProgress(`${done} items`);
      const report = await migrateItems({ table, writeTimeoutMs, entities, onProgress });
      return { print: report, failed: report.strange.length > 0 };
    },
  },
};
