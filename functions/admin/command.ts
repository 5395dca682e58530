/** Structure of the operator's commands, with helpers to read their options. */

import type { ParseArgsOptionsConfig } from "node:util";
import type { Services } from "#core/context.ts";
import type { Config } from "#functions/runtime/config.ts";

/** Database that a command uses. */
export type DatabaseTarget =
  | { readonly on: "aws"; readonly stage: string; readonly region: string | undefined }
  | { readonly on: "engine"; readonly endpoint: string }
  | { readonly on: "directory"; readonly directory: string };

/** Error of the command line. */
export class UsageError extends Error {}

/** Parsed command line: options by name, and positional arguments. */
export interface CommandLine {
  values: Readonly<Record<string, string | string[] | boolean | undefined>>;
  positionals: readonly string[];
}

/** Environment of a command. */
export interface CommandContext {
  config: Config;
  /** Environment variables of the command. */
  environment: Readonly<Record<string, string | undefined>>;
  target: DatabaseTarget;
  /** Prints progress, one line for each call. */
  report(text: string): void;
}

/** Command of the operator. */
export interface Command {
  /** Options and positional arguments, as shown by help. */
  usage: string;
  /** Accepted options; those in `required` are mandatory. */
  options: ParseArgsOptionsConfig;
  required?: readonly string[];
  /** Options by the property that they set, such as `metadata.tenantId`, if their names differ. Errors name the option. */
  optionOf?: Readonly<Record<string, string>>;
  /** Number of positional arguments. */
  positionals?: number;
  /** True if the positional arguments may be omitted. */
  isPositionalOptional?: boolean;
  /**
   * Use of the database. By default the command may run beside a server. `exclusive` refuses to run beside a server on the same data
   * directory. `none` opens no database.
   */
  database?: "exclusive" | "none";
  /** @returns what to print, a string as it is and anything else as JSON; `failed` sets the exit code 1 */
  run(services: Services, given: CommandLine, context: CommandContext): Promise<{ print: unknown; failed?: boolean }>;
}

/** Option with one value. */
export const stringOption = { type: "string" } as const;
/** Option that can be repeated. */
export const repeatableOption = { type: "string", multiple: true } as const;

/** Returns the value of an option; undefined if it is absent. */
export const optionValue = (given: CommandLine, name: string): string | undefined => {
  const value = given.values[name];
  return typeof value === "string" ? value : undefined;
};
/** Returns the values of an option that can be repeated. */
export const optionValues = (given: CommandLine, name: string): string[] => {
  const value = given.values[name];
  return Array.isArray(value) ? value : [];
};
/** Returns the value of a required --org. */
export const orgOption = (given: CommandLine) => optionValue(given, "org") ?? "";

/** Converts decimal text to a number. Other text is returned unchanged, for the schema to refuse. */
export const parseNumber = (value: string | undefined): unknown =>
  value === undefined || !/^-?[0-9]+(\.[0-9]+)?$/.test(value) ? value : Number(value);
