/** The operator's command: `npm run admin -- <command> …`, beside a running server or alone. */

import { parseArgs } from "node:util";
import { textOf } from "#core/errors.ts";
import { createTable, requireTable } from "#core/table/create.ts";
import { type Command, type Given, UsageError } from "./admin/command.ts";
import { commands } from "./admin/commands.ts";
import { openPlace, placeIn } from "./admin/database.ts";
import { servicesFrom } from "./services.ts";

const usage = (): string =>
  `Usage: npm run admin -- <command>\n\n${Object.entries(commands)
    .map(([name, command]) => `  ${name} ${command.usage}`)
    .join("\n")}\n`;

/** The command that the words begin with: two of them, or one. @returns undefined where there is none */
const nameIn = (words: readonly string[]): string | undefined =>
  [2, 1].map((count) => words.slice(0, count).join(" ")).find((name) => Object.hasOwn(commands, name));

function readCommand(words: readonly string[]): { command: Command; given: Given } {
  const name = nameIn(words);
  const command = name === undefined ? undefined : commands[name];
  if (name === undefined || command === undefined) {
    throw new UsageError(`There is no command "${words.slice(0, 2).join(" ")}".\n\n${usage()}`);
  }
  const help = `Usage: npm run admin -- ${name} ${command.usage}\n`;
  try {
    const { values, positionals } = parseArgs({
      args: words.slice(name.split(" ").length),
      options: command.options,
      allowPositionals: (command.positionals ?? 0) > 0,
    });
    const absent = (command.required ?? []).filter((option) => values[option] === undefined);
    if (absent.length > 0)
      throw new UsageError(`Missing: ${absent.map((option) => `--${option}`).join(", ")}.\n${help}`);
    if (positionals.length !== (command.positionals ?? 0)) throw new UsageError(help);
    return { command, given: { values: values as Given["values"], positionals } };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${textOf(error)}\n${help}`);
  }
}

async function run(words: readonly string[]): Promise<number> {
  if (words.length === 0 || words.includes("--help")) {
    process.stdout.write(usage());
    return 0;
  }
  const { command, given } = readCommand(words);
  const { config, place } = placeIn(process.env);
  if (place.on === "aws") {
    process.stderr.write(`Stage ${place.stage}, table ${config.TABLE_NAME}, ${place.region ?? "default region"}\n`);
  }
  const database = await openPlace(place, command.database);
  try {
    const services = servicesFrom(config, database.endpoint);
    // On AWS the stack makes it, and knows of it.
    if (command.database !== "none") await (place.on === "aws" ? requireTable : createTable)(services.table);
    const { print, failed = false } = await command.run(services, given, config);
    process.stdout.write(`${typeof print === "string" ? print : JSON.stringify(print, null, 2)}\n`);
    return failed ? 1 : 0;
  } finally {
    await database.stop();
  }
}

// Leaving through exit takes the engine along that this command may have started.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${textOf(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
