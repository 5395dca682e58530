/** Logs: JSON lines on stderr, one a request and one for what an operator should know. */

import { logLevels } from "#functions/runtime/config.ts";

/** Facts of a line. Never a token, a secret or a body. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines of at least its level. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes a line that metrics are taken from: at every level, unless nothing is written at all. */
  metric(message: string, fields: LogFields): void;
}

type LevelName = (typeof logLevels)[number];

/**
 * Makes a logger.
 *
 * @param level the lowest level that is written
 * @param write takes a line with its end
 */
export function createLogger(
  level: LevelName,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const least = logLevels.indexOf(level);
  const line = (level: LevelName, message: string, fields: LogFields) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
  const at =
    (name: LevelName) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(name) >= least) line(name, message, fields);
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    metric(message, fields) {
      if (level !== "silent") line("info", message, fields);
    },
  };
}

/** What of an error belongs into a log: its text and where it came from, and the same of its cause. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) };
  return {
    error: `${error.name}: ${error.message}`,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  };
}
