/**
 * Enforces the functions' permissions in tests: a call without permission is refused, as on AWS. Also records the calls of each.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Keyring } from "#core/secrets/keyring.ts";
import { type Grant, reconcilerGrants } from "#functions/api/grants.ts";
import { routeGroups } from "#functions/api/route-groups.ts";
import { routeRows, servedRows } from "#functions/api/routes.ts";
import { canonicalPath, matchesPath } from "#functions/http/request.ts";
import type { Call } from "./faults.ts";
import { addKnownSecrets } from "./secrets.ts";

const NO_GRANT: Grant = { table: [], indexes: [] };

/** Permissions of each function, by its name in the stack. */
export const grants: Readonly<Record<string, Grant>> = {
  ...Object.fromEntries(routeRows.map(({ id, grant = NO_GRANT }) => [id, grant])),
  ...reconcilerGrants,
};

/** Current actor, and its refused calls. Tests themselves have no name and all permissions. */
interface Actor {
  name: string;
  refused: string[];
}

const acting = new AsyncLocalStorage<Actor>();

/** Calls of each actor. */
export const done = new Map<string, Set<string>>();

/** Returns the id of the operation that a request calls; `none` where there is no such operation. */
export function operationAt(method: string, path: string): string {
  const { pathname } = new URL(/^https?:/.test(path) ? path : `http://localhost${path}`);
  const canonical = canonicalPath(pathname);
  const wanted = method === "HEAD" ? "GET" : method;
  return servedRows.find((row) => row.method === wanted && matchesPath(row.path, canonical))?.id ?? "none";
}

/**
 * Runs code as a function.
 *
 * @throws Error that names the refused calls, also if the code handled the refusal
 */
export async function as<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  const actor: Actor = { name, refused: [] };
  const result = await acting.run(actor, work);
  if (actor.refused.length > 0) throw new Error(`${name} may not ${actor.refused.join(", ")} (functions/api/routes)`);
  return result;
}

/** Runs code of a test, with all permissions, also if a function's call is waiting for it. */
export const asTest = <T>(work: () => Promise<T>): Promise<T> => acting.exit(work);

/** Lists the actions of a grant. */
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

/** Suffix of an action on anything else than the function's own table. */
const elsewhere = (table: string, named: string) => (named === table ? "" : ` ${named}`);

/** Returns whether a call records the use of a token, in a function that does so. */
function recordsTokenUse({ Key: key, UpdateExpression: update }: Call["input"]): boolean {
  const group = routeRows.find(({ id }) => id === acting.getStore()?.name)?.group;
  const isOfToken = String((key as { pk?: { S?: string } })?.pk?.S).startsWith("TOKEN#");
  const isPermitted = group !== undefined && group in routeGroups && mayUpdate(group as keyof typeof routeGroups);
  return isOfToken && update === "SET #lastUsedAt = :now" && isPermitted;
}

const mayUpdate = (group: keyof typeof routeGroups) => routeGroups[group].grant.table.includes("UpdateItem");

/**
 * Checks the permission for a database call.
 *
 * @param table name of the functions' only table
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
  } else if (operation === "UpdateItem" && recordsTokenUse(input)) {
    // Permitted to the function, not to each of its operations: the grants of its group contain UpdateItem.
  } else if (operation === "BatchGetItem") {
    take(Object.keys(input.RequestItems as object).map((named) => `${operation}${elsewhere(table, named)}`));
  } else {
    const where = input.IndexName === undefined ? "" : ` ${input.IndexName}`;
    take([`${operation}${elsewhere(table, String(input.TableName))}${where}`]);
  }
}

/**
 * Wraps a keyring and checks the functions' permissions for the key, like KMS.
 *
 * @param table name that every context must contain
 */
export const permitted = (keyring: Keyring, table: string): Keyring => ({
  ...keyring,
  async generate(context) {
    take([`kms:GenerateDataKey${elsewhere(table, context.table ?? "without a table")}`]);
    const made = await keyring.generate(context);
    addKnownSecrets(made.key.toString("base64"), made.key.toString("hex"));
    return made;
  },
  async unwrap(wrapped, context) {
    take([`kms:Decrypt${elsewhere(table, context.table ?? "without a table")}`]);
    return await keyring.unwrap(wrapped, context);
  },
});
