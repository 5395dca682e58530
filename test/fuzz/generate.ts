/** Generates requests from the document: first plans, in which existing resources are placeholders, then requests. */

import fc from "fast-check";
import type { DocumentedOperation, OpenApi } from "#test/support/contract.ts";
import { converter, objectOf, orReal, Real } from "./arbitrary.ts";
import { type Draft, encoded } from "./draft.ts";
import { HEADERS } from "./junk.ts";
import { hostileMutations, type Mutation, mutate, nearMutations } from "./mutations.ts";
import { type Caller, REAL_NAMES, type Scene } from "./scene.ts";

/** Deviation of a request from its contract. */
export type Kind = "valid" | "nearly valid" | "hostile";

/** Generated request, before the existing resources are known. */
export interface Plan {
  operationId: string;
  method: string;
  path: string;
  kind: Kind;
  /** Selects the target cluster. */
  target: number;
  caller: Caller;
  /** Values by parameter name. */
  segments: Record<string, unknown>;
  query: [name: string, value: unknown][];
  headers: [name: string, value: unknown][];
  body: unknown;
  mutations: Mutation[];
  /** True if the request is sent twice, like a client that lost the response. */
  again: boolean;
}

/** Request as it is sent. */
export interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  caller: Caller;
  body: string | Uint8Array<ArrayBuffer> | undefined;
  /** True if path and method are those of the plan. */
  isOnTarget: boolean;
}

/** An optional parameter is present once in this many cases. */
const PARAMETER_RARITY = 8;

/** Properties of bodies that name an existing resource. A change of environment is to another one. */
const REAL_IN_BODIES = new Map(
  [...REAL_NAMES].map((name) => [name, name === "environmentSlug" ? "newEnvironment" : name]),
);

/** Properties that the API needs although the documentation does not require them. */
const NEEDED = {
  CreateCluster: ["version"],
  CreateNodePool: ["name", "nodeSize"],
  CreateClusterNodePool: ["name", "nodeSize"],
};

const KINDS: fc.Arbitrary<Kind> = fc.oneof(
  { weight: 45, arbitrary: fc.constant<Kind>("valid") },
  { weight: 35, arbitrary: fc.constant<Kind>("nearly valid") },
  { weight: 20, arbitrary: fc.constant<Kind>("hostile") },
);

const WHO: fc.Arbitrary<Caller> = fc.oneof(
  { weight: 30, arbitrary: fc.constant<Caller>("admin") },
  { weight: 2, arbitrary: fc.constant<Caller>("developer") },
  { weight: 1, arbitrary: fc.constantFrom<Caller>("viewer", "billing-admin", "stranger", "nobody") },
);

const sometimes = <T>(arbitrary: fc.Arbitrary<T>, rarity: number): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: rarity - 1, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: arbitrary.map((each) => [each]) },
  );

type Convert = ReturnType<typeof converter>;
type Parameter = NonNullable<DocumentedOperation["parameters"]>[number];

function drawnFor({ name, schema }: Parameter, realName: string, convert: Convert): fc.Arbitrary<unknown> {
  if (REAL_NAMES.has(name)) return orReal(realName, convert(schema));
  const likely = HEADERS[name.toLowerCase()];
  return name === "Prefer" && likely !== undefined ? fc.constantFrom(...likely) : convert(schema);
}

/** Names of existing resources for the path parameters of operations that need other ones than most do. */
const OTHERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  deleteEnvironmentMember: { environmentSlug: "overriddenEnvironment", memberIdentity: "overriddenMember" },
  deleteMember: { memberIdentity: "spareMember" },
  createCloudCredentials: { cloudCredentials: "cloudType" },
  deleteCloudAccount: { cloudAccountIdentity: "spareAccount" },
  deleteCloudCredentials: { cloudCredentials: "spareCredentials" },
  deleteEnvironment: { environmentSlug: "spareEnvironment" },
  deleteObservabilityTenant: { observabilityTenantSlug: "spareTenant" },
  deleteMaintenanceSchedule: { maintenanceScheduleIdentity: "spareSchedule" },
  undeleteCluster: { clusterSlug: "deletedSlug", environmentSlug: "deletedEnvironment" },
  updateCloudAccount: { cloudAccountIdentity: "spareAccount" },
  updateEnvironment: { environmentSlug: "spareEnvironment" },
};

function parametersOf(operation: DocumentedOperation, where: string, convert: Convert) {
  const others = OTHERS[operation.operationId] ?? {};
  const given = (operation.parameters ?? []).filter((each) => each.in === where);
  return fc
    .tuple(
      ...given.map((parameter) => {
        const pair = drawnFor(parameter, others[parameter.name] ?? parameter.name, convert).map(
          (value): [string, unknown] => [parameter.name, value],
        );
        return where === "path" ? pair.map((each) => [each]) : sometimes(pair, PARAMETER_RARITY);
      }),
    )
    .map((pairs) => pairs.flat());
}

function planOf(path: string, method: string, operation: DocumentedOperation, convert: Convert): fc.Arbitrary<Plan> {
  const media = operation.requestBody?.content["application/json"];
  const mutations: Record<Kind, fc.Arbitrary<Mutation[]>> = {
    valid: fc.constant([]),
    "nearly valid": nearMutations(media !== undefined),
    hostile: hostileMutations(media !== undefined),
  };
  const kinds = KINDS.chain((kind) => mutations[kind].map((drawn) => ({ kind, mutations: drawn })));
  return fc
    .record({
      target: fc.nat(1_000),
      caller: WHO,
      segments: parametersOf(operation, "path", convert).map(objectOf),
      query: parametersOf(operation, "query", convert),
      headers: parametersOf(operation, "header", convert),
      body: media === undefined ? fc.constant(undefined) : convert(media.schema),
      kinds,
      head: fc.nat(15),
      again: fc.nat(15),
    })
    .map(({ kinds: drawn, head, again, ...plan }) => ({
      ...plan,
      ...drawn,
      operationId: operation.operationId,
      method: method === "get" && head === 0 ? "HEAD" : method.toUpperCase(),
      path,
      again: again === 0,
    }));
}

/** Frequency of writes: other requests need the resources that they create. */
const WRITE_WEIGHT = 4;
/** Number of clusters that are created first. */
export const FIRST = 8;
/** Frequency of deletions of clusters: lower than that of creations. */
const DELETION_WEIGHT = 2;

/** Generates plans: the same seed gives the same plans, and a larger number begins with the same ones. */
export interface Planner {
  /** Generates plans of all operations. It begins with creations, so that later requests find resources. */
  any(seed: number, count: number): Plan[];
  /** Generates plans of one operation. */
  of(operationId: string, seed: number, count: number): Plan[];
}

/**
 * Builds a generator of plans from a document.
 *
 * @throws Error if the document has a schema that is not supported yet
 */
export function planner(document: OpenApi): Planner {
  const convert = converter(document.components.schemas, REAL_IN_BODIES, NEEDED);
  const plans = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      operation,
      weight: method === "get" ? 1 : WRITE_WEIGHT,
      arbitrary: planOf(path, method, operation, convert),
    })),
  );
  const planned = (operationId: string) => {
    const found = plans.find(({ operation }) => operation.operationId === operationId);
    if (found === undefined) throw new Error(`the document has no ${operationId}`);
    return found.arbitrary;
  };
  const creation = planned("createCluster");
  const deletion = planned("updateCluster").map((plan) => ({ ...plan, body: { status: "deleting" } }));
  const any = fc.oneof(
    { weight: DELETION_WEIGHT, arbitrary: deletion },
    ...plans.map(({ weight, arbitrary }) => ({ weight, arbitrary })),
  );
  return {
    any: (seed, count) => [
      ...fc.sample(creation, { seed, numRuns: Math.min(FIRST, count) }),
      ...(count > FIRST ? fc.sample(any, { seed, numRuns: count - FIRST }) : []),
    ],
    of: (operationId, seed, count) => fc.sample(planned(operationId), { seed, numRuns: count }),
  };
}

function resolve(value: unknown, scene: Scene, target: number): unknown {
  if (value instanceof Real) return scene.real(value, target);
  if (Array.isArray(value)) return value.map((each) => resolve(each, scene, target));
  if (typeof value !== "object" || value === null) return value;
  return objectOf(Object.entries(value).map(([name, each]) => [name, resolve(each, scene, target)]));
}

/** Characters of a header; a client could send no others. */
const sendable = (text: string) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?");

const pathOf = ({ segments, query }: Draft) =>
  `${segments.join("/")}${query.length === 0 ? "" : `?${query.join("&")}`}`;

/**
 * Builds the request of a plan from the existing resources.
 *
 * @throws Error as `Scene.real`
 */
export function render(plan: Plan, scene: Scene): Sent {
  const given = (value: unknown) => resolve(value, scene, plan.target);
  const segments = plan.path.split("/").map((segment) => {
    const name = /^\{(.*)\}$/.exec(segment)?.[1];
    return name === undefined ? segment : encoded(String(given(plan.segments[name])));
  });
  const draft: Draft = {
    method: plan.method,
    segments: [...segments],
    query: plan.query.flatMap(([name, value]) =>
      [given(value)].flat().map((each) => `${name}=${encoded(String(each))}`),
    ),
    headers: Object.fromEntries(plan.headers.map(([name, value]) => [name.toLowerCase(), String(given(value))])),
    caller: plan.caller,
    body: given(plan.body),
    raw: undefined,
  };
  for (const mutation of plan.mutations) mutate(draft, mutation);
  const path = pathOf(draft);
  const token = scene.tokens[draft.caller];
  const body = ["GET", "HEAD"].includes(draft.method) ? undefined : (draft.raw ?? JSON.stringify(draft.body));
  const headers = {
    ...(token === undefined ? {} : { authorization: `Token ${token}` }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...draft.headers,
  };
  return {
    method: draft.method,
    // A target begins with a slash, whatever the mutations of its segments.
    path: path.startsWith("/") ? path : `/${path}`,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, sendable(value)])),
    caller: draft.caller,
    body,
    isOnTarget: draft.method === plan.method && draft.segments.join("/") === segments.join("/"),
  };
}
