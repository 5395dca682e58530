/**
 * Checks that every attribute that an expression names is an attribute of the entity of its item: a property in the document
 * does not exist for DynamoDB, so a condition on it would never hold and an update of it would be lost.
 */

import { entities } from "#core/admin/entities.ts";
import { tableDefinition } from "#core/table/definition.ts";
import type { Call } from "./faults.ts";

/** Patterns of partition keys and sort keys, by the entity of the item. */
const KEYS: readonly (readonly [pk: RegExp, sk: RegExp, entity: string])[] = [
  [/^ORG#/, /^ORG$/, "organisation"],
  [/^ORG#/, /^ENV#/, "environment"],
  [/^ORG#/, /^MEMBER#/, "member"],
  [/^ORG#/, /^EMAIL#/, "member-email"],
  [/^ORG#/, /^REFERENCES$/, "references"],
  [/^ORG#/, /^TOTAL$/, "total"],
  [/^ORG#/, /^UPGRADE#/, "scheduled-upgrade"],
  [/^ORG#/, /^USE#/, "usage"],
  [/^ORG#/, /^SECRET#/, "cloud-secret"],
  [/^ORG#/, /^CLUSTER#/, "cluster"],
  [/^ORG#/, /^DELETED#/, "tombstone"],
  [/^ORG#/, /^INDEX#/, "index-chunk"],
  [/^ORG#/, /^OBSERVABILITY#/, "observability-tenant"],
  [/^OBSERVABILITY#/, /^ALERTMANAGER$/, "alertmanager-configuration"],
  [/^OBSERVABILITY#/, /^SILENCES$/, "silences"],
  [/^CLUSTER#/, /^CLUSTER$/, "pointer"],
  [/^CLUSTER#/, /^POOL#/, "node-pool"],
  [/^CLUSTER#/, /^EVENT#/, "event"],
  [/^EVENTS#/, /^EVENT#/, "event"],
  [/^CLUSTER#/, /^SECRET#KEY$/, "data-key"],
  [/^CLUSTER#/, /^SECRET#CA$/, "certificate-authority"],
  [/^CLUSTER#/, /^SECRET#OIDC$/, "oidc-client"],
  [/^CLUSTER#/, /^SECRET#BOOTSTRAP$/, "bootstrap-tokens"],
  [/^SIMULATION#/, /^CLUSTER$/, "simulation"],
  [/^TOKEN#/, /^TOKEN$/, "token"],
  [/^USER#/, /^TOKEN#/, "user-token"],
  [/^USER#/, /^TOKENS$/, "user-token-count"],
  [/^USER#/, /^ORG#/, "user-organisation"],
  [/^IDEMPOTENCY#/, /^RECORD$/, "idempotency-record"],
  [/^BACKUP$/, /^IMPORT$/, "import"],
  [/^PROVISIONER$/, /^MANAGEMENT-CLUSTER$/, "management-cluster"],
  [/^SECRETS$/, /^KEYRING$/, "keyring"],
  [/^SECRETS$/, /^ROTATION$/, "secrets-rotation"],
];

const { partitionKey, sortKey, ttl, indexes } = tableDefinition;

/** Attributes that items have besides the properties of their entity. */
const COMMON: ReadonlySet<string> = new Set([
  ...[partitionKey, sortKey, ttl, "entity", "entityVersion"],
  ...Object.values(indexes).flatMap((index) => [index.partitionKey, index.sortKey]),
]);

type Text = { S?: string };

/** Operation of a transaction as it is sent. */
interface Operation {
  Key?: Record<string, Text>;
  Item?: Record<string, Text>;
  ConditionExpression?: string;
  UpdateExpression?: string;
  ExpressionAttributeNames?: Record<string, string>;
}

/** Returns the names of the attributes of an expression, without the names of what is inside them. */
function attributesIn({ ConditionExpression = "", UpdateExpression = "", ExpressionAttributeNames = {} }: Operation) {
  const paths = `${ConditionExpression} ${UpdateExpression}`.match(/#[A-Za-z0-9]+(\.#[A-Za-z0-9]+)*/g) ?? [];
  return new Set(paths.map((path) => path.split(".")[0] ?? "").map((name) => ExpressionAttributeNames[name] ?? name));
}

/** Returns the problems of one operation, each with the label of the item's entity. */
function problemsOf(operation: Operation): string[] {
  const { pk, sk } = operation.Key ?? operation.Item ?? {};
  const [, , named] = KEYS.find(([first, second]) => first.test(pk?.S ?? "") && second.test(sk?.S ?? "")) ?? [];
  const stamped = operation.Item?.entity?.S;
  // Items of shapes that a test defined.
  if (named === undefined && !entities.some(({ name }) => name === stamped)) return [];
  if (stamped !== undefined && stamped !== named) return [`${pk?.S} ${sk?.S} is stored as ${stamped}, not as ${named}`];
  const names = attributesIn(operation);
  // A migration compares and sets every attribute, also those of older versions.
  if (names.has("entityVersion")) return [];
  const declared = entities.find(({ name }) => name === named)?.attributes ?? [];
  return [...names]
    .filter((name) => !COMMON.has(name) && !declared.includes(name))
    .map((name) => `an expression names ${name}, which is no attribute of the entity ${named}`);
}

/**
 * Checks a call before it is sent.
 *
 * @throws Error that names each attribute that the entity of its item does not declare
 */
export function checkAttributes({ operation, input }: Call): void {
  if (operation !== "TransactWriteItems") return;
  const operations = (input.TransactItems as Record<string, Operation>[]).flatMap((item) => Object.values(item));
  const problems = operations.flatMap(problemsOf);
  if (problems.length > 0) throw new Error(problems.join("; "));
}
