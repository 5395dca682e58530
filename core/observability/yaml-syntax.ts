/** Checks the syntax of YAML files. */

import { isScalar, LineCounter, parseAllDocuments, visit } from "yaml";

/**
 * Returns the first problem of a YAML file: its syntax, or a key that occurs twice in one map, which Alertmanager refuses. Nothing is
 * resolved, so aliases cannot multiply the content.
 *
 * @returns a phrase with the line; undefined if there is no problem
 */
export function yamlProblem(text: string): string | undefined {
  try {
    return firstProblem(text);
  } catch (error) {
    // The parser is recursive.
    if (error instanceof RangeError) return "is nested too deeply";
    throw error;
  }
}

function firstProblem(text: string): string | undefined {
  const lineCounter = new LineCounter();
  // The parser compares each key with every other one of its map, which takes minutes for a large map.
  const documents = parseAllDocuments(text, {
    lineCounter,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "silent",
  });
  if (!Array.isArray(documents)) return undefined;
  const at = (offset: number) => `line ${lineCounter.linePos(offset).line || 1}`;
  for (const document of documents) {
    const [error] = document.errors;
    if (error !== undefined) return `is not YAML: ${at(error.pos[0])}: ${error.message.slice(0, 200)}`;
    let duplicate: string | undefined;
    visit(document, {
      Map(_, { items }) {
        const names = new Set<unknown>();
        for (const { key } of items) {
          if (!isScalar(key)) continue;
          if (names.has(key.value)) {
            duplicate = `has the key ${JSON.stringify(String(key.value).slice(0, 64))} twice in one map: ${at(key.range?.[0] ?? 0)}`;
            return visit.BREAK;
          }
          names.add(key.value);
        }
        return undefined;
      },
    });
    if (duplicate !== undefined) return duplicate;
  }
  return undefined;
}
