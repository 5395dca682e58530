/**
 * Implements the rules by which AWS filters records of an event source, as documented for Lambda's event filtering. Rules that no
 * pattern of this project uses are refused, so that no test depends on a missing rule.
 */

type Leaf = string | number | boolean | null;
type Pattern = { readonly [key: string]: Pattern | readonly (Leaf | Readonly<Record<string, unknown>>)[] };

const isLeaf = (value: unknown): value is Leaf => value === null || typeof value !== "object";
const childOf = (value: unknown, key: string): unknown =>
  isLeaf(value) || Array.isArray(value) ? undefined : (value as Record<string, unknown>)[key];

/**
 * Returns true if a record passes a filter. All keys of a pattern must match, with at least one entry of each list, and texts are
 * compared exactly. `exists` considers only leaves: an object in place of a leaf counts as absent.
 *
 * @throws Error if the pattern has a rule that is not implemented here, or a leaf that is not a list
 */
export function passesFilter(pattern: Pattern, record: unknown): boolean {
  return Object.entries(pattern).every(([key, wanted]) => {
    const value = childOf(record, key);
    if (!Array.isArray(wanted)) {
      if (isLeaf(wanted)) throw new Error(`${key}: a leaf of a pattern must be a list`);
      return passesFilter(wanted as Pattern, value);
    }
    return wanted.some((rule) => matches(rule, value));
  });
}

function matches(rule: unknown, value: unknown): boolean {
  const leaves = (Array.isArray(value) ? value : [value]).filter((each) => each !== undefined && isLeaf(each));
  if (isLeaf(rule)) return leaves.includes(rule);
  const [[name, argument] = [], ...more] = Object.entries(rule as object);
  if (name !== "exists" || typeof argument !== "boolean" || more.length > 0) {
    throw new Error(`not implemented: the rule ${JSON.stringify(rule)}`);
  }
  return leaves.length > 0 === argument;
}
