/** Logs: JSON lines on stderr, one a request and one for what an operator should know. */

import { logLevels } from "#core/config.ts";

/** Facts of a line. Never a token, a secret or a body. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines of at least its level. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/**
 * Makes a logger.
 *
 * @param level the lowest level that is written
 * @param write takes a line with its end
 */
export function createLogger(
  level: (typeof logLevels)[number],
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const least = logLevels.indexOf(level);
  const at =
    (name: (typeof logLevels)[number]) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(name) < least) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level: name, message, ...fields })}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
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
