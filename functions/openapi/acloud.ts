/** Parts of the OpenAPI document of the published clients' dialect: the documented schemas with the differences of the tables. */

import { AutoscalerSettings, UpstreamCluster } from "#core/cluster/undocumented.ts";
import { DEFAULT_PAGE_SIZE, foldDetails } from "../api/acloud/dialect.ts";
import { requestRows } from "../api/acloud/requests.ts";
import { renderElement, responseRows } from "../api/acloud/responses.ts";
import type { RequestRow, ResponseRow, Rows } from "../api/acloud/row.ts";
import { type JsonObject, renderElements, type SuccessSchema } from "../api/dialect.ts";
import { acloudRows } from "../api/routes.ts";
import type { ErrorBody } from "../http/errors.ts";
import { convert, type JsonSchema } from "./convert.ts";
import { IDENTITIES, requests } from "./examples.ts";
import type { DialectDocument } from "./operation.ts";
import { componentSchemas } from "./schemas.ts";

const DESCRIPTION = `The same API in the form in which published clients send and read it: the Go client and the Terraform provider for
acloud. Operations, rules and roles are those of the documented API under \`/api/v1\`. Properties that differ say so in their
description. Slugs are plain text, the order of a page is an object, and the message of an error contains the first problems.`;

/** Schema of the order of a page. */
const SORT_STATE: JsonSchema = {
  type: "object",
  properties: { empty: { type: "boolean" }, sorted: { type: "boolean" }, unsorted: { type: "boolean" } },
  required: ["empty", "sorted", "unsorted"],
};

interface ObjectSchema extends JsonSchema {
  properties: Record<string, JsonSchema>;
  required?: string[];
}

/** Returns a schema with the rows of its properties. */
function withRows(schema: ObjectSchema, rows: Readonly<Record<string, ResponseRow | RequestRow>>): ObjectSchema {
  const properties = { ...schema.properties };
  const required = new Set(schema.required);
  for (const [name, { text, shape = properties[name], isRequired }] of Object.entries(rows)) {
    properties[name] = { ...shape, description: text };
    if (isRequired === true) required.add(name);
    if (isRequired === false) required.delete(name);
  }
  const { required: _, ...rest } = schema;
  return { ...rest, properties, ...(required.size === 0 ? {} : { required: [...required].sort() }) };
}

/** Removes the schemas that no path refers to, as far as their names can say: those that only removed properties had. */
function withoutUnused(schemas: Record<string, JsonSchema>, roots: ReadonlySet<string>): Record<string, JsonSchema> {
  const used = new Set<string>();
  const visit = (name: string) => {
    if (used.has(name)) return;
    used.add(name);
    const references = JSON.stringify(schemas[name]).matchAll(/#\/components\/schemas\/(\w+)/g);
    for (const [, reference = ""] of references) visit(reference);
  };
  for (const root of roots) visit(root);
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
}

/** Names of the schemas in the table of routes, and of those that every document has. */
const roots = new Set(
  acloudRows
    .flatMap(({ body, success }) => [body, success?.replace("[]", "")])
    .filter((name): name is string => name !== undefined && name !== "string")
    .concat("ErrorMessageResponse", "DryRunResponse"),
);

function acloudSchemas(): Record<string, JsonSchema> {
  const schemas: Record<string, JsonSchema> = {
    ...componentSchemas(),
    ...convert({ AutoscalerSettings, UpstreamCluster }),
    SortState: SORT_STATE,
  };
  const { Page: envelope, ...own } = responseRows;
  const rows: Rows<ResponseRow | RequestRow> = { ...own, ...requestRows };
  const changed = Object.entries(schemas as Record<string, ObjectSchema>).map(
    ([name, schema]): [string, JsonSchema] => {
      const isPage = name.startsWith("Page") && name !== "PageableObject";
      const differences = isPage ? envelope : rows[name];
      return [name, differences === undefined ? schema : withRows(schema as ObjectSchema, differences)];
    },
  );
  const all = Object.fromEntries(changed) as Record<string, ObjectSchema>;
  const { PageableObject: pageable, JoinConfigVersions: versions } = all;
  if (pageable === undefined || versions === undefined) throw new Error("the documented schemas have changed");
  const sort = { $ref: "#/components/schemas/SortState" };
  return withoutUnused(
    {
      ...all,
      PageableObject: { ...pageable, properties: { ...pageable.properties, sort } },
      JoinConfigVersions: withRows(versions, {
        cloudInit: { text: "Always empty.", shape: { type: "string" }, isRequired: true, render: () => "" },
      }),
    },
    roots,
  );
}

/** Undocumented properties of the examples, which were taken from the documented dialect. */
const UNDOCUMENTED: Readonly<Record<string, JsonObject>> = {
  ClusterNodePoolResponse: { clusterIdentity: IDENTITIES.cluster },
};

function responseExample(schema: SuccessSchema, example: unknown): unknown {
  if (schema === "ErrorMessageResponse") return foldDetails(example as ErrorBody);
  const rendered = renderElements(schema, example, (name, element) =>
    renderElement(name, { ...element, undocumented: UNDOCUMENTED[name] }),
  );
  return JSON.parse(JSON.stringify(rendered));
}

const { createCluster } = requests as { createCluster: JsonObject };

/** The dialect of the published clients. */
export const acloudDocument: DialectDocument = {
  title: "AME Clusters, dialect of the published clients",
  description: DESCRIPTION,
  rows: acloudRows,
  defaultPageSize: DEFAULT_PAGE_SIZE,
  schemas: acloudSchemas,
  requestExamples: {
    ...requests,
    createCluster: {
      ...createCluster,
      cni: "CILIUM",
      ipWhitelist: [{ cidr: "192.0.2.0/24", description: "office" }],
      podSecurityStandardsProfile: "RESTRICTED",
    },
  },
  responseExample,
};
