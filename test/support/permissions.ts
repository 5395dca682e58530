/** The functions' permissions in tests: as on AWS, a function that does what it may not is refused. And what each did. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Keyring } from "#core/secrets/keyring.ts";
import { type Grant, reconcilerGrants } from "#functions/api/grants.ts";
import { routeRows } from "#functions/api/routes.ts";
import { matchesPath } from "#functions/http/request.ts";
import type { Call } from "./faults.ts";
import { learn } from "./secrets.ts";

const NO_GRANT: Grant = { table: [], indexes: [] };

/** Permissions of each operation by its id, and of each function of the reconciler by its name in the stack. */
export const grants: Readonly<Record<string, Grant>> = {
  ...Object.fromEntries(routeRows.map(({ id, grant = NO_GRANT }) => [id, grant])),
  ...reconcilerGrants,
};

/** Who acts, and what they were refused. Tests' own doing has no name, and may everything. */
interface Actor {
  name: string;
  refused: string[];
}

const acting = new AsyncLocalStorage<Actor>();

/** What was done under each name. */
export const done = new Map<string, Set<string>>();

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Returns the id of the operation that a request calls; `none` where there is no such operation. */
export function operationAt(method: string, path: string): string {
  const { pathname } = new URL(/^https?:/.test(path) ? path : `http://localhost${path}`);
  const plain = pathname.split("/").map(decoded).join("/");
  const wanted = method === "HEAD" ? "GET" : method;
  return routeRows.find((row) => row.method === wanted && matchesPath(row.path, plain))?.id ?? "none";
}

/**
 * Works as a function.
 *
 * @throws Error that names what it was refused, however it took that
 */
export async function as<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  const actor: Actor = { name, refused: [] };
  const result = await acting.run(actor, work);
  if (actor.refused.length > 0)
    throw new Error(`${name} may not ${actor.refused.join(", ")} (functions/api/routes.ts)`);
  return result;
}

/** What a grant allows, a word each. */
export const allowed = ({ table, indexes, key = [] }: Grant): string[] => [
  ...table,
  ...indexes.map((index) => `Query ${index}`),
  ...key.map((action) => `kms:${action}`),
];

function take(needed: readonly string[]): void {
  const actor = acting.getStore();
  if (actor === undefined) return;
  const before = done.get(actor.name) ?? new Set();
  done.set(actor.name, new Set([...before, ...needed]));
  const may = allowed(grants[actor.name] ?? NO_GRANT);
  const refused = needed.filter((each) => !may.includes(each));
  if (refused.length === 0) return;
  actor.refused.push(...refused);
  throw Object.assign(new Error(`${actor.name} may not ${refused.join(", ")}`), { name: "AccessDeniedException" });
}

const ITEM_ACTIONS: Record<string, string> = {
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
  ConditionCheck: "ConditionCheckItem",
};

/** What follows an action on anything else than the function's own table. */
const elsewhere = (table: string, named: string) => (named === table ? "" : ` ${named}`);

/**
 * Holds a call to the database to what its function may do.
 *
 * @param table the only one there is for functions
 * @throws Error as AWS refuses
 */
export function permit({ operation, input }: Call, table: string): void {
  if (operation === "TransactWriteItems") {
    const items = (input.TransactItems as Record<string, { TableName: string }>[]).flatMap((item) =>
      Object.entries(item),
    );
    take([
      ...new Set(items.map(([kind, { TableName }]) => `${ITEM_ACTIONS[kind] ?? kind}${elsewhere(table, TableName)}`)),
    ]);
  } else if (operation === "BatchGetItem") {
    take(Object.keys(input.RequestItems as object).map((named) => `${operation}${elsewhere(table, named)}`));
  } else {
    const where = input.IndexName === undefined ? "" : ` ${input.IndexName}`;
    take([`${operation}${elsewhere(table, String(input.TableName))}${where}`]);
  }
}

/**
 * The same keyring, as KMS would hold functions to what they may do with the key.
 *
 * @param table which every context has to name
 */
export const permitted = (keyring: Keyring, table: string): Keyring => ({
  ...keyring,
  async generate(context) {
    take([`kms:GenerateDataKey${elsewhere(table, context.table ?? "without a table")}`]);
    const made = await keyring.generate(context);
    learn(made.key.toString("base64"), made.key.toString("hex"));
    return made;
  },
  async unwrap(wrapped, context) {
    take([`kms:Decrypt${elsewhere(table, context.table ?? "without a table")}`]);
    return await keyring.unwrap(wrapped, context);
  },
});
