/** Compares a page and a GET with the least that can be done: one call with the bare client for the same items, as one text each. */

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { BatchGetCommand, BatchWriteCommand, DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { openTable } from "#core/table/client.ts";
import { createTable } from "#core/table/create.ts";
import { DOCUMENT, type RawItem } from "#core/table/entity.ts";
import type { Key } from "#core/table/keys.ts";
import { ENGINE, type Tenant, type World } from "#test/support/world.ts";
import { formatRow, formatTable } from "./document.ts";
import { measureInTurn, ms, type SentRequest, type Times } from "./requests.ts";

/** Items as one JSON text each, in a table of their own. */
interface Texts {
  /** Reads the texts below a prefix of the sort key, with the bare client, in one call. */
  query(pk: string, prefix: string, limit: number): Promise<string[]>;
  /** Reads the texts of keys, in one call. */
  batchGet(keys: readonly Key[]): Promise<string[]>;
}

interface TextItem extends Key {
  text: string;
}

/** Writes all properties of items as one text each. */
async function storeTexts(endpoint: string, name: string, items: readonly RawItem[]): Promise<Texts> {
  await createTable(openTable({ name, endpoint, client: ENGINE }));
  const client = DynamoDBDocumentClient.from(new DynamoDBClient({ endpoint, ...ENGINE }));
  const puts = items.map(({ [DOCUMENT]: document, ...attributes }) => {
    const text = JSON.stringify({ ...JSON.parse(String(document ?? "{}")), ...attributes });
    return { PutRequest: { Item: { pk: attributes.pk, sk: attributes.sk, text } } };
  });
  for (let start = 0; start < puts.length; start += 25) {
    await client.send(new BatchWriteCommand({ RequestItems: { [name]: puts.slice(start, start + 25) } }));
  }
  const textsOf = (found: unknown[] | undefined, count: number): string[] => {
    if (found?.length !== count) throw new Error(`${found?.length} of ${count} texts`);
    return (found as TextItem[]).map(({ text }) => text);
  };
  return {
    async query(pk, prefix, limit) {
      const { Items } = await client.send(
        new QueryCommand({
          TableName: name,
          ConsistentRead: true,
          Limit: limit,
          KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
          ExpressionAttributeValues: { ":pk": pk, ":prefix": prefix },
        }),
      );
      return textsOf(Items, limit);
    },
    async batchGet(keys) {
      const Keys = keys.map(({ pk, sk }) => ({ pk, sk }));
      const { Responses } = await client.send(
        new BatchGetCommand({ RequestItems: { [name]: { Keys, ConsistentRead: true } } }),
      );
      return textsOf(Responses?.[name], keys.length);
    },
  };
}

/** Maximum ratio of the processor time of a request to the least that can be done. */
const GOAL = 1.3;

/** Formats the comparison of a request with the least that can be done. */
const formatLeast = (request: string, least: string, { ours, bare }: Record<"ours" | "bare", Times>): string =>
  formatRow(
    request,
    least,
    ...[ours, bare].map((times) => `${ms(times.cpuP50)} / ${ms(times.p50)}`),
    `${(ours.cpuP50 / bare.cpuP50).toFixed(2)} / ${(ours.p50 / bare.p50).toFixed(2)}`,
  );

/** Formats the table of these comparisons. */
const formatLeastTable = (rows: readonly string[]): string =>
  `The least that can be done is one call with the bare document client for the same items, stored as one JSON text each. The goal is a
ratio of at most ${GOAL}. *Parsed and written* also parses the texts and writes all of them as one JSON text, as a response needs it.
Processor time / elapsed time, in milliseconds, alternating in one run:

${formatTable(["request", "least", "request, ms", "least, ms", "ratio"], rows)}`;

/** App to measure, and a world on its table that records the calls. */
interface Measured {
  world: World;
  app: (request: SentRequest) => Promise<string>;
  tenant: Tenant;
}

/** Compares a page and a GET with the least that can be done for the same items. */
export async function measureLeast({ world, app, tenant }: Measured, endpoint: string): Promise<string> {
  const [page, one] = [`${tenant.path()}?pageSize=50`, tenant.path("production", "c0")];
  const get = (path: string) => app({ method: "GET", path, token: tenant.admin });
  // The keys that a GET reads once the process has the references.
  await world.send("GET", one, { token: tenant.admin });
  world.wire.spans.length = 0;
  await world.send("GET", one, { token: tenant.admin });
  const [span] = world.wire.spans;
  const asked = span?.input as { RequestItems: Record<string, { Keys: Record<keyof Key, { S: string }>[] }> };
  const keys = (asked.RequestItems[world.table.name]?.Keys ?? []).map(({ pk, sk }) => ({ pk: pk.S, sk: sk.S }));
  const clusters = { pk: `ORG#${tenant.slug}`, prefix: "CLUSTER#" };
  const items = new Map(
    [...(await world.table.get(keys)).values(), ...(await world.table.query({ ...clusters, limit: 50 }))].map(
      (item) => [`${item.pk} ${item.sk}`, item],
    ),
  );
  const texts = await storeTexts(endpoint, `${world.table.name}-texts`, [...items.values()]);
  const query = () => texts.query(clusters.pk, clusters.prefix, 50);
  const written = (read: readonly string[]) => JSON.stringify(read.map((text) => JSON.parse(text) as unknown));
  const pages = await measureInTurn({
    ours: () => get(page),
    bare: query,
    written: async () => written(await query()),
  });
  const gets = await measureInTurn({ ours: () => get(one), bare: () => texts.batchGet(keys) });
  return formatLeastTable([
    formatLeast("page of 50", "Query", pages),
    formatLeast("page of 50", "Query, parsed and written", { ours: pages.ours, bare: pages.written }),
    formatLeast("get a cluster", `BatchGetItem of ${keys.length}`, gets),
  ]);
}
