/** Reads the stream of a table on the embedded engine as records of DynamoDB's streams. */

import { UpdateTableCommand } from "@aws-sdk/client-dynamodb";
import type { Table } from "#core/table/client.ts";
import type { StreamRecord } from "#functions/reconciler/handlers.ts";

/** Record with its common properties. */
export interface TableRecord extends StreamRecord {
  eventName: "INSERT" | "MODIFY" | "REMOVE";
}

/**
 * Enables a table's stream, with new images as on AWS. Tables of tests have none by default, because a stream slows down every
 * write.
 *
 * @param endpoint of the engine
 * @returns a function that reads the records since its last call
 */
export async function openStream(table: Table, endpoint: string): Promise<() => Promise<TableRecord[]>> {
  const specification = { StreamEnabled: true, StreamViewType: "NEW_IMAGE" } as const;
  const command = new UpdateTableCommand({ TableName: table.name, StreamSpecification: specification });
  // The document client's own send has no control plane commands in its types; the engine is the same.
  const { TableDescription } = await (table.client as { send(command: UpdateTableCommand): Promise<Described> }).send(
    command,
  );
  const StreamArn = TableDescription?.LatestStreamArn;
  const seen = new Set<string>();
  return async () => {
    const { StreamDescription } = await ask(endpoint, "DescribeStream", { StreamArn });
    const records: TableRecord[] = [];
    for (const { ShardId } of StreamDescription.Shards) {
      const { ShardIterator } = await ask(endpoint, "GetShardIterator", {
        ...{ StreamArn, ShardId, ShardIteratorType: "TRIM_HORIZON" },
      });
      let iterator: string | undefined = ShardIterator;
      for (;;) {
        const page: Page = await ask(endpoint, "GetRecords", { ShardIterator: iterator });
        for (const record of page.Records) {
          const number = `${ShardId} ${record.dynamodb?.SequenceNumber}`;
          if (!seen.has(number)) records.push(record);
          seen.add(number);
        }
        iterator = page.NextShardIterator;
        if (page.Records.length === 0 || iterator === undefined) break;
      }
    }
    return records;
  };
}

interface Described {
  TableDescription?: { LatestStreamArn?: string };
}

interface Page {
  Records: TableRecord[];
  NextShardIterator?: string;
}

/** Calls the engine's API of streams, for which no client is installed. */
// biome-ignore lint/suspicious/noExplicitAny: each operation answers with another shape
async function ask(endpoint: string, operation: string, body: unknown): Promise<any> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": `DynamoDBStreams_20120810.${operation}`,
      "x-amz-date": "20260101T000000Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=test/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=test",
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${operation}: ${response.status} ${await response.text()}`);
  return await response.json();
}
