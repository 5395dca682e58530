/** Reads the operator's catalogue file, for entry points on the operator's machine and for builds. No function on AWS imports it. */

import { parseDocument } from "yaml";
import { checkCatalogue } from "#core/catalogue/check.ts";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import type { CatalogueData } from "#core/catalogue/schema.ts";
import { AppError, errorText } from "#core/shared/errors.ts";
import { readOperatorFile } from "./operator-file.ts";

/** Value of `CATALOGUE_FILE` for the catalogue of this release. Stages on AWS must state every setting. */
const NONE = "none";

/** Advice in the message for a missing file. */
const MISSING = "Correct the path, or unset CATALOGUE_FILE to use the catalogue of this release";

/** Returns the path of the operator's catalogue. @param setting `CATALOGUE_FILE` @returns undefined for the catalogue of this release */
export const cataloguePath = (setting: string | undefined): string | undefined =>
  setting === undefined || setting === "" || setting === NONE ? undefined : setting;

/**
 * Reads and checks a catalogue file.
 *
 * @param path YAML 1.2 or JSON
 * @throws AppError invalid: the first line names the file, and every other line is a problem
 */
export function readCatalogueFile(path: string): CatalogueData {
  try {
    return checkCatalogue(parse(readOperatorFile(path, MISSING)), shippedCatalogue);
  } catch (error) {
    const problems = error instanceof AppError ? error.details : [errorText(error)];
    throw new AppError("invalid", "catalogue.invalid", [`The catalogue file ${path} cannot be used:`, ...problems]);
  }
}

/** Parses YAML. @throws AppError invalid with every syntax error and its line */
function parse(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const [first, ...rest] = document.errors.map(({ message }) => message.trim());
  if (first !== undefined) throw new AppError("invalid", "catalogue.syntax", [first, ...rest]);
  return document.toJS();
}

/**
 * Replaces the catalogue of this process by the operator's, if there is one.
 *
 * @param setting `CATALOGUE_FILE`
 * @throws AppError as `readCatalogueFile`
 */
export function loadCatalogue(setting: string | undefined): void {
  const path = cataloguePath(setting);
  if (path !== undefined) useCatalogue(readCatalogueFile(path));
}
