/** What one command of the operator's is made of. */

import type { ParseArgsOptionsConfig } from "node:util";
import type { Services } from "#core/context.ts";
import type { Config } from "#functions/runtime/config.ts";

/** Where the data are. */
export type DatabaseTarget =
  | { readonly on: "aws"; readonly stage: string; readonly region: string | undefined }
  | { readonly on: "engine"; readonly endpoint: string }
  | { readonly on: "directory"; readonly directory: string };

/** What is wrong with the command line. */
export class UsageError extends Error {}

/** What the command line said: options by name, and what stood beside them. */
export interface Given {
  values: Readonly<Record<string, string | string[] | boolean | undefined>>;
  positionals: readonly string[];
}

/** What surrounds a command. */
export interface Surroundings {
  config: Config;
  place: DatabaseTarget;
  /** Tells the operator how far it is, a line each. */
  tell(text: string): void;
}

/** One command. */
export interface Command {
  /** Its options and positionals, as help shows them. */
  usage: string;
  /** Options it takes; those in `required` must be there. */
  options: ParseArgsOptionsConfig;
  required?: readonly string[];
  /** How many positionals it takes. */
  positionals?: number;
  /**
   * How it uses the database: beside a running server unless it is said otherwise; `alone` refuses one, where that can be told,
   * which is on a data directory; `none` opens no database.
   */
  database?: "alone" | "none";
  /** @returns what to print, a text as it is and all else as JSON; `failed` makes the exit code 1 */
  run(services: Services, given: Given, around: Surroundings): Promise<{ print: unknown; failed?: boolean }>;
}

/** An option with one value. */
export const text = { type: "string" } as const;
/** An option that may stand several times. */
export const several = { type: "string", multiple: true } as const;

/** An option's value. @returns undefined where it was not given */
export const one = (given: Given, name: string): string | undefined => {
  const value = given.values[name];
  return typeof value === "string" ? value : undefined;
};
/** The values of an option that may stand several times. */
export const many = (given: Given, name: string): string[] => {
  const value = given.values[name];
  return Array.isArray(value) ? value : [];
};
/** The organisation, where it is required. */
export const org = (given: Given) => one(given, "org") ?? "";

/** A number as the schema behind it will judge it: what is no number is not passed off as one. */
export const numeric = (value: string | undefined): unknown =>
  value === undefined || !/^-?[0-9]+(\.[0-9]+)?$/.test(value) ? value : Number(value);
