/** Queries a graph: resources by type and name, functions with their roles and settings, and targets of routes. */

import type { Graph, Resource } from "./graph.ts";

/** JSON value of a resource whose form a test asserts. */
// biome-ignore lint/suspicious/noExplicitAny: inputs are whatever the components make of them; tests look into them and assert
export type Json = any;

/** Statement of a policy. */
export interface Statement {
  Action: string[];
  Resource: string[];
  Condition?: { test: string; variable: string; values: string[] }[];
}

/** Function with its role. */
export interface FunctionView {
  inputs: Json;
  arn: string;
  role: Json;
  policy: Statement[];
}

/** Graph with queries. */
export interface View {
  graph: Graph;
  all(type: string): Resource[];
  /** Returns the only resource of a type with a name. @throws Error if there is none, or several */
  one(type: string, name: string): Resource & { inputs: Json };
  functions: Record<string, FunctionView>;
  /** Name of the function of every route. */
  routes: Record<string, string>;
  table: { name: string; arn: string };
}

const byArn = (resources: readonly Resource[], arn: unknown, arnOf: (each: Resource) => string) =>
  resources.find((each) => arnOf(each) === arn);

/** Builds the queries of a graph. @param arnOf returns the ARN of a resource */
export function viewOf(graph: Graph, arnOf: (type: string, name: string) => string): View {
  const arn = ({ type, name, inputs }: Resource) => arnOf(type, typeof inputs.name === "string" ? inputs.name : name);
  const all = (type: string) => graph.resources.filter((resource) => resource.type === type);
  const one: View["one"] = (type, name) => {
    const [found, ...more] = all(type).filter((resource) => resource.name === name);
    if (found === undefined || more.length > 0) throw new Error(`${1 + more.length} resources ${type} ${name}`);
    return found;
  };
  const made = all("aws:lambda/function:Function");
  const roles = all("aws:iam/role:Role");
  const functions = Object.fromEntries(
    made.map((each): [string, FunctionView] => {
      const role = byArn(roles, each.inputs.role, arn)?.inputs as Json;
      const policy = role.inlinePolicies.flatMap((inline: Json) => JSON.parse(inline.policy).Statement);
      return [each.name.replace(/Function$/, ""), { inputs: each.inputs, arn: arn(each), role, policy }];
    }),
  );
  const nameOf = (uri: unknown) => Object.entries(functions).find(([, each]) => each.arn === uri)?.[0] ?? String(uri);
  const integrations = new Map(
    all("aws:apigatewayv2/integration:Integration").map(({ name, inputs }) => [
      `integrations/${name}-id`,
      nameOf(inputs.integrationUri),
    ]),
  );
  const routes = Object.fromEntries(
    all("aws:apigatewayv2/route:Route").map(({ inputs }) => [
      String(inputs.routeKey),
      integrations.get(String(inputs.target)) ?? String(inputs.target),
    ]),
  );
  const table = one("aws:dynamodb/table:Table", "TableTable");
  return { graph, all, one, functions, routes, table: { name: table.inputs.name, arn: arn(table) } };
}
