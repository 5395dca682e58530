import { marshall } from "@aws-sdk/util-dynamodb";
import { beforeEach, describe, expect, test } from "vitest";
import { acquireLease } from "#core/provisioning/lease.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import type { RawItem } from "#core/table/entity.ts";
import { DUE_SHARDS, dueShard, dueShards, keyText, pointerKey } from "#core/table/keys.ts";
import { onSchedule, onStream, type StreamRecord } from "#functions/reconciler/handlers.ts";
import { sweepEvents } from "#functions/reconciler/invocations.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";
import type { Json } from "#test/support/world.ts";

let scene: Scene;
let world: Scene["world"];
let logs: string[];

beforeEach(async () => {
  scene = await makeScene();
  world = scene.world;
  logs = [];
});

const work = () => ({ services: world.reconciler, log: createLogger("warn", (line) => logs.push(line)) });
const stream = (...records: StreamRecord[]) => onStream(work(), records);

let sequence = 100;
/** Builds a record as in DynamoDB's streams. */
function recordOf(
  eventName: "INSERT" | "MODIFY" | "REMOVE",
  item: RawItem,
  more: Record<string, unknown> = {},
): StreamRecord & { dynamodb: { SequenceNumber: string } } {
  const image = marshall(item, { removeUndefinedValues: true }) as Record<string, { S?: string }>;
  const record = {
    ...{ eventID: "e", eventSource: "aws:dynamodb", eventName, eventVersion: "1.1", awsRegion: "eu-west-1", ...more },
    dynamodb: {
      Keys: marshall({ pk: item.pk, sk: item.sk }),
      SequenceNumber: `${sequence++}`,
      StreamViewType: "NEW_AND_OLD_IMAGES",
      ...(eventName === "REMOVE" ? { OldImage: image } : { NewImage: image }),
    },
  };
  return record;
}

async function pointerItem(identity: string): Promise<RawItem> {
  const key = pointerKey(identity);
  const item = (await world.table.get([key])).get(keyText(key));
  if (item === undefined) throw new Error("pointer not found");
  return item;
}
const pointerRecord = async (identity: string) => recordOf("MODIFY", await pointerItem(identity));

/** Builds records of all items, as if they were just written. */
async function everything(): Promise<StreamRecord[]> {
  const records: StreamRecord[] = [];
  for await (const item of world.table.scan()) records.push(recordOf("INSERT", item));
  return records;
}
const statusOf = async (name = "one"): Promise<Json> =>
  (await scene.send("GET", scene.tenant.path("production", name))).body.status;
/** Returns the database calls of an operation. */
async function calls(act: () => Promise<unknown>): Promise<number> {
  world.wire.spans.length = 0;
  await act();
  return world.wire.spans.length;
}

describe("the stream function", () => {
  test("the stream function builds a created cluster, whatever else is in the batch and however often it runs", async () => {
    await scene.create();
    const records = await everything();
    expect(records.length).toBeGreaterThan(10);
    expect(await stream(...records, ...records)).toEqual({ batchItemFailures: [] });
    expect(await statusOf()).toBe("started");
    // Late and repeated records are obsolete.
    expect(await stream(...records)).toEqual({ batchItemFailures: [] });
    expect([await statusOf(), logs]).toEqual(["started", []]);
  });

  test("the stream function ignores clusters that are due later or leased: records of the reconciler", async () => {
    const { identity } = await scene.create();
    await acquireLease(world.services, identity);
    const leased = await pointerRecord(identity);
    expect(leased.dynamodb).toMatchObject({ NewImage: { dueAt: {}, leaseUntil: {} } });
    expect(await calls(() => stream(leased))).toBe(0);
    world.advanceClock(60_000);
    await stream(leased);
    expect(await statusOf()).toBe("started");
    const later = await pointerRecord(identity);
    expect(Date.parse(String((await pointerItem(identity)).dueAt))).toBeGreaterThan(world.services.clock().getTime());
    expect(await calls(() => stream(later))).toBe(0);
  });

  test("the stream function ignores records of deletions and expirations", async () => {
    const { identity } = await scene.create();
    const items: RawItem[] = [];
    for await (const item of world.table.scan()) items.push(item);
    const expired = { userIdentity: { type: "Service", principalId: "dynamodb.amazonaws.com" } };
    const removed = items.flatMap((item) => [recordOf("REMOVE", item), recordOf("REMOVE", item, expired)]);
    expect(removed.some(({ dynamodb }) => JSON.stringify(dynamodb).includes(identity))).toBe(true);
    expect(await calls(() => stream(...removed))).toBe(0);
    // A record from before the cluster and its pointer were deleted.
    const record = await pointerRecord(identity);
    await scene.ask("deleting");
    await world.settle();
    expect(await stream(record)).toEqual({ batchItemFailures: [] });
  });

  test("the stream function reports only those records as failed whose clusters it could not process", async () => {
    const names = ["one", "two", "three"];
    const identities: string[] = [];
    for (const name of names) identities.push((await scene.create({ name })).identity);
    const [, broken = ""] = identities;
    const records = [];
    for (const identity of [...identities, ...identities]) records.push(await pointerRecord(identity));
    world.wire.fault = ({ input }) => (JSON.stringify(input).includes(broken) ? "before" : undefined);
    const response = await stream(...records);
    world.wire.fault = () => undefined;
    expect(response).toEqual({ batchItemFailures: [{ itemIdentifier: records[1]?.dynamodb.SequenceNumber }] });
    expect(await Promise.all(names.map((name) => statusOf(name)))).toEqual(["started", "new", "started"]);
    expect(logs.map((line) => JSON.parse(line))).toMatchObject([{ level: "warn", clusterIdentity: broken }]);
    // DynamoDB's streams repeat everything from the first failed record on.
    expect(await stream(...records.slice(1))).toEqual({ batchItemFailures: [] });
    expect(await statusOf("two")).toBe("started");
  });

  test("the stream function does not report a provisioner's failure: the cluster becomes due again", async () => {
    const { identity } = await scene.create();
    world.faults.next = () => ({ kind: "fails", message: "no quota" });
    expect(await stream(await pointerRecord(identity))).toEqual({ batchItemFailures: [] });
    const { attempts, dueAt } = await scene.pointerOf(identity);
    expect(attempts).toBeGreaterThan(1);
    expect(Date.parse(dueAt ?? "")).toBeGreaterThan(world.services.clock().getTime());
  });

  test("the stream function accepts an empty batch, and unknown records", async () => {
    expect(await stream()).toEqual({ batchItemFailures: [] });
    expect(await stream({}, { dynamodb: {} }, { dynamodb: { NewImage: { pk: {}, sk: { S: "CLUSTER" } } } })).toEqual({
      batchItemFailures: [],
    });
  });
});

describe("the scheduled function", () => {
  test("the scheduled function processes each due cluster once, and a failure does not stop the others", async () => {
    for (const name of ["one", "two"]) await scene.create({ name });
    const { identity } = await scene.create({ name: "three" });
    world.wire.fault = ({ operation, input }) =>
      operation !== "Query" && JSON.stringify(input).includes(identity) ? "before" : undefined;
    expect(await onSchedule(work(), {})).toEqual({ worked: 3 });
    world.wire.fault = () => undefined;
    expect(await Promise.all(["one", "two", "three"].map(statusOf))).toEqual(["started", "started", "new"]);
    expect(logs).toHaveLength(1);
    expect(await onSchedule(work(), {})).toEqual({ worked: 1 });
    expect(await onSchedule(work(), {})).toEqual({ worked: 0 });
    expect(await statusOf("three")).toBe("started");
  });

  test.each([
    [49_000, 2],
    [50_000, 1],
  ])(
    "the scheduled function continues with clusters that became due, but not when it began %i ms ago",
    async (ms, expected) => {
      await scene.create();
      const services = scene.interrupted(async () => {
        await scene.create({ name: "two" });
        world.advanceClock(ms);
      });
      expect(await onSchedule({ ...work(), services }, {})).toEqual({ worked: expected });
      world.advanceClock(60_000);
      await onSchedule(work(), {});
      expect(await statusOf("two")).toBe("started");
    },
  );

  test("the scheduled function starts only clusters that it has time for; the others remain due", async () => {
    const identities: string[] = [];
    for (const name of ["one", "two", "three"]) identities.push((await scene.create({ name })).identity);
    let left = 2;
    const worked = await reconcileAll(world.reconciler, identities, 1, undefined, () => left-- > 0);
    expect(worked.map(({ identity }) => identity)).toEqual(identities.slice(0, 2));
    expect(await onSchedule(work(), {})).toEqual({ worked: 1 });
  });

  test("the scheduled function processes only its share, and the sweeps of one minute process everything", async () => {
    const identities: string[] = [];
    for (const name of ["one", "two", "three", "four"]) identities.push((await scene.create({ name })).identity);
    const scheduledAt = world.services.clock().toISOString();
    const worked: number[] = [];
    for (const event of sweepEvents(16)) {
      world.wire.spans.length = 0;
      const { worked: count } = await onSchedule(work(), { ...event, scheduledAt });
      worked.push(count);
      if (count === 0) expect(world.wire.spans).toHaveLength(DUE_SHARDS / 16);
    }
    expect(worked.filter((count) => count > 0)).toHaveLength(new Set(identities.map(shareOf)).size);
    expect(worked.reduce((sum, count) => sum + count)).toBe(4);
    expect(await onSchedule(work(), {})).toEqual({ worked: 0 });
  });

  test.each([
    { index: 16, count: 16, scheduledAt: "2026-11-27T10:00:00Z" },
    { index: 0, count: 33, scheduledAt: "2026-11-27T10:00:00Z" },
    { index: 0, count: 16, scheduledAt: "<aws.scheduler.scheduled-time>" },
    { index: 0 },
    "x",
  ])("the scheduled function refuses the event %j before it reads anything", async (event) => {
    world.wire.spans.length = 0;
    await expect(onSchedule(work(), event)).rejects.toThrow(/^The sweep's event is .* It must have index/);
    expect(world.wire.spans).toEqual([]);
  });
});

/** Returns a cluster's share of 16. */
const shareOf = (identity: string) => dueShards.indexOf(dueShard(identity)) % 16;
