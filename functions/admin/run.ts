/** Parses and runs the operator's command. */

import { parseArgs } from "node:util";
import { errorText } from "#core/shared/errors.ts";
import { createTable, requireTable } from "#core/table/create.ts";
import { loadCatalogue } from "../runtime/catalogue-file.ts";
import { loadProfiles } from "../runtime/profiles-file.ts";
import { servicesFrom } from "../runtime/services.ts";
import { type Command, type CommandLine, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { withOptionNames } from "./option-names.ts";
import { openTarget, resolveTarget } from "./target.ts";

const usage = (): string =>
  `Usage: npm run admin -- <command>\n\n${Object.entries(commands)
    .map(([name, command]) => `  ${name} ${command.usage}`)
    .join("\n")}\n`;

/** Finds the command name, the first two words or the first one. @returns undefined if there is none */
const findName = (words: readonly string[]): string | undefined =>
  [2, 1].map((count) => words.slice(0, count).join(" ")).find((name) => Object.hasOwn(commands, name));

function parseCommand(words: readonly string[]): { command: Command; given: CommandLine } {
  const name = findName(words);
  const command = name === undefined ? undefined : commands[name];
  if (name === undefined || command === undefined) {
    throw new UsageError(`Unknown command "${words.slice(0, 2).join(" ")}".\n\n${usage()}`);
  }
  const help = `Usage: npm run admin -- ${name} ${command.usage}\n`;
  try {
    const { values, positionals } = parseArgs({
      args: words.slice(name.split(" ").length),
      options: command.options,
      allowPositionals: (command.positionals ?? 0) > 0,
    });
    const missing = (command.required ?? []).filter((option) => values[option] === undefined);
    if (missing.length > 0)
      throw new UsageError(`Missing: ${missing.map((option) => `--${option}`).join(", ")}.\n${help}`);
    const isOmitted = positionals.length === 0 && command.isPositionalOptional === true;
    if (!isOmitted && positionals.length !== (command.positionals ?? 0)) throw new UsageError(help);
    return { command, given: { values: values as CommandLine["values"], positionals } };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${errorText(error)}\n${help}`);
  }
}

/** Environment variables and outputs of a command. */
interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Output for results. */
  readonly out: (text: string) => void;
  /** Output for errors and progress. */
  readonly err: (text: string) => void;
}

/**
 * Runs a command.
 *
 * @param words command name, options and positional arguments
 * @returns the exit code: 1 if the command failed or found something, 2 for an invalid command line
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
  const { command, given } = parseCommand(words);
  const { config, target } = resolveTarget(environment);
  if (target.on === "aws") {
    err(`Stage ${target.stage}, table ${config.TABLE_NAME}, ${target.region ?? "default region"}\n`);
  }
  const opensDatabase = command.database !== "none";
  if (opensDatabase) loadCatalogue(config.CATALOGUE_FILE);
  const database = await openTarget(target, command.database);
  try {
    // A command without a database needs no provisioner; it may be the one that checks the profile file.
    const services = opensDatabase
      ? servicesFrom(config, database.endpoint, {}, loadProfiles(config))
      : servicesFrom({ ...config, PROVISIONER: "simulated" });
    // On AWS the stack creates the table.
    if (opensDatabase) await (target.on === "aws" ? requireTable : createTable)(services.table);
    const context = { config, environment, target, report: (text: string) => err(`${text}\n`) };
    const { print, failed = false } = await command.run(services, given, context).catch((error: unknown) => {
      throw withOptionNames(error, command);
    });
    out(`${typeof print === "string" ? print : JSON.stringify(print, null, 2)}\n`);
    return failed ? 1 : 0;
  } finally {
    await database.stop();
  }
}
