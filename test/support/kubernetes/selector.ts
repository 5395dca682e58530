/** Label selectors. */

import { badRequest } from "./status.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * Reads a label selector, such as `a=b,c!=d,e,!f,g in (h,i)`.
 *
 * @throws StatusError 400
 */
export function parseSelector(text: string): (labels: Labels) => boolean {
  const requirements = text.split(/,(?![^(]*\))/).filter((part) => part.trim() !== "");
  const checks = requirements.map((part) => parseRequirement(part.trim()));
  return (labels) => checks.every((check) => check(labels));
}

function parseRequirement(text: string): (labels: Labels) => boolean {
  const set = /^(\S+) (in|notin) \(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return (labels) => values.includes(labels[key] ?? "") === (operator === "in");
  }
  const [, key = "", operator, value = ""] = /^([\w./-]+)(==|=|!=)([\w.-]*)$/.exec(text) ?? [];
  if (operator !== undefined) {
    return (labels) => (operator === "!=" ? labels[key] !== value : labels[key] === value);
  }
  const [, not, name = ""] = /^(!?)([\w./-]+)$/.exec(text) ?? [];
  if (name === "") throw badRequest(`unable to parse requirement: ${text}`);
  return (labels) => name in labels === (not === "");
}
