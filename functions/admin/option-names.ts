/** Names the options of a command in errors whose texts name the properties of the API. */

import { AppError } from "#core/shared/errors.ts";
import type { Command } from "./command.ts";

/** A detail of an error that begins with a path, such as `windows[0].day`. */
const DETAIL = /^([A-Za-z]+)([.[][^:\s]*)?: (.*)$/s;

/**
 * Replaces the path of each detail by the option that sets the property. Details without a path, and with that of another property,
 * stay as they are.
 *
 * @param error anything that a command threw
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
