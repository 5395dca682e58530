/** YAML writer of the project, for all its YAML documents. */

import { Document, isScalar, visit } from "yaml";

/** Value that every YAML reader reads as it was written. Undefined properties are omitted. */
export type YamlValue =
  | string
  | boolean
  | number
  | readonly YamlValue[]
  | { readonly [key: string]: YamlValue | undefined };

// Keys without quotes: three letters, which cannot start a number (some readers read e9 as one), then letters, digits, - and _.
// YAML 1.1 reads the excluded words as booleans or as null.
const PLAIN_KEY = /^(?!(?:yes|off|true|false|null)$)[a-z]{3}[a-z0-9_-]*$/i;

// Valid in a JSON string, but YAML 1.1 readers refuse them or read them as a line break.
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

const escapeCharacter = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * Writes a value as a YAML document that readers of YAML 1.1 (kubelet, kubectl, cloud-init) and of YAML 1.2 read in the same
 * way.
 *
 * Every string is in double quotes, because YAML 1.1 reads many texts without quotes as another type: `yes`, `1_000`, `0o7`,
 * `12:30:00`, `2026-01-01`, `~`, `<<`, `=` (https://yaml.org/type/). Keys are quoted unless no reader can read them as
 * another type.
 *
 * @param value content of the document
 * @returns the document, with a line break at its end
 * @throws Error for a string with half of a surrogate pair, which UTF-8 cannot encode, and for a number that is not a safe
 *   integer
 */
export function toYaml(value: YamlValue): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(position, node) {
      if (typeof node.value === "number" && !Number.isSafeInteger(node.value)) {
        throw new Error(`YAML: ${node.value} is not a safe integer; write it as a string.`);
      }
      if (typeof node.value !== "string") return;
      if (!node.value.isWellFormed()) throw new Error("YAML: a string contains half of a surrogate pair.");
      node.type = position === "key" && PLAIN_KEY.test(node.value) ? "PLAIN" : "QUOTE_DOUBLE";
    },
    Pair(_, { key }) {
      if (!isScalar(key)) throw new Error("YAML: a key is not a string.");
    },
  });
  const text = document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER });
  // These characters can only be inside double quotes.
  return text.replaceAll(UNPRINTABLE, escapeCharacter);
}
