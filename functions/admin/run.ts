/** The operator's command: what its words mean, where it works, and what it says. */

import { parseArgs } from "node:util";
import { errorText } from "#core/shared/errors.ts";
import { createTable, requireTable } from "#core/table/create.ts";
import { servicesFrom } from "../runtime/services.ts";
import { type Command, type Given, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { openPlace, resolveTarget } from "./target.ts";

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
    throw new UsageError(`${errorText(error)}\n${help}`);
  }
}

/** Where a command runs, and who hears of it. */
export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What was asked for, and what was not. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/**
 * Runs the command that the words say.
 *
 * @returns the exit code: 1 where it failed or found something, 2 where the words are none of it
 */
export async function runCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await run(words, terminal);
  } catch (error) {
    terminal.err(`${errorText(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function run(words: readonly string[], { environment, out, err }: Terminal): Promise<number> {
  if (words.length === 0 || words.includes("--help")) {
    out(usage());
    return 0;
  }
  const { command, given } = readCommand(words);
  const { config, place } = resolveTarget(environment);
  if (place.on === "aws") {
    err(`Stage ${place.stage}, table ${config.TABLE_NAME}, ${place.region ?? "default region"}\n`);
  }
  const database = await openPlace(place, command.database);
  try {
    const services = servicesFrom(config, database.endpoint);
    // On AWS the stack makes it, and knows of it.
    if (command.database !== "none") await (place.on === "aws" ? requireTable : createTable)(services.table);
    const { print, failed = false } = await command.run(services, given, {
      config,
      place,
      tell: (text) => err(`${text}\n`),
    });
    out(`${typeof print === "string" ? print : JSON.stringify(print, null, 2)}\n`);
    return failed ? 1 : 0;
  } finally {
    await database.stop();
  }
}
