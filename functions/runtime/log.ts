/** Logs JSON lines to stderr: one for each request, and those for operators. */

import { AppError } from "#core/shared/errors.ts";
import { logLevels } from "#functions/runtime/config.ts";

/** Fields of a log line. They must not contain a token, a secret or a body. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Logger that writes lines of its level and above. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes a line with metrics: at every level except silent. */
  metric(message: string, fields: LogFields): void;
}

type LevelName = (typeof logLevels)[number];

/**
 * Creates a logger.
 *
 * @param level lowest level that is written
 * @param write writes a line, which includes its line feed
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

/** Returns the log fields of an error: its text and stack, and those of its cause. Invalid input has its problems in place of a stack. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) };
  const isInput = error instanceof AppError && error.kind === "invalid";
  return {
    error: `${error.name}: ${error.message}`,
    ...(isInput ? { details: [...error.details] } : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  };
}
