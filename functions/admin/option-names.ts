/** Replaces names of API properties by names of command options in errors. */

import { AppError } from "#core/shared/errors.ts";
import type { Command } from "./command.ts";

/** Detail of an error that begins with a path, such as `windows[0].day`. */
const DETAIL = /^([A-Za-z]+)([.[][^:\s]*)?: (.*)$/s;

/**
 * Replaces the path of each detail by the option that sets the property. Details without a path, or with the path of another property, do
 * not change.
 *
 * @param error value that a command threw
 * @returns an AppError with the replaced details; any other value unchanged
 */
export function withOptionNames(error: unknown, { options, optionOf = {} }: Command): unknown {
  if (!(error instanceof AppError)) return error;
  const [first = "", ...rest] = error.details.map((detail) => {
    const [, property = "", more = "", text] = DETAIL.exec(detail) ?? [];
    const option = optionOf[`${property}${more}`] ?? optionOf[property] ?? property;
    return text !== undefined && Object.hasOwn(options, option) ? `--${option}: ${text}` : detail;
  });
  return new AppError(error.kind, error.code, [first, ...rest]);
}
