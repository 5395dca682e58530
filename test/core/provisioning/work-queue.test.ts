import { randomUUID } from "node:crypto";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { describe, expect, test } from "vitest";
import { pointerItem } from "#core/cluster/store/pointer.ts";
import { findDue, shardsOf } from "#core/provisioning/work-queue.ts";
import { DUE_SHARDS, dueShard, dueShards } from "#core/table/keys.ts";
import { sweepInvocations } from "#functions/reconciler/invocations.ts";
import { makeWorld, type World } from "#test/support/world.ts";

const MINUTE_MS = 60_000;
const at = (minute: number) => new Date(Date.parse("2026-11-27T10:00:00Z") + minute * MINUTE_MS);
const sorted = (shards: readonly string[]) => [...shards].sort();

/** Writes pointers that are due. */
async function putDue({ table }: World, organisation: string, count: number, dueAt: string): Promise<string[]> {
  const identities = Array.from({ length: count }, () => randomUUID());
  for (let start = 0; start < count; start += 25) {
    const requests = identities.slice(start, start + 25).map((identity) => {
      const cluster = { identity, organisation, environment: "production", slug: "x" };
      return { PutRequest: { Item: pointerItem(cluster, dueAt) } };
    });
    await table.client.send(new BatchWriteCommand({ RequestItems: { [table.name]: requests } }));
  }
  return identities;
}

describe("sweeps that share the due index", () => {
  const counts = [true, false].map((isEphemeral) => sweepInvocations(isEphemeral).count);

  test.each([...counts, DUE_SHARDS])("%i sweeps read every partition once a minute", (count) => {
    for (const minute of [0, 1, 17]) {
      const shares = Array.from({ length: count }, (_, index) => shardsOf({ index, count }, at(minute)));
      expect(sorted(shares.flat())).toEqual(sorted(dueShards));
      // All sweeps have the same number of partitions, so additional sweeps add the same capacity.
      expect(new Set(shares.map(({ length }) => length))).toEqual(new Set([DUE_SHARDS / count]));
    }
  });

  test("no partition is skipped for two minutes in a row when one schedule does not run", () => {
    const { count } = sweepInvocations(false);
    const swept = (minute: number) =>
      Array.from({ length: count - 1 }, (_, index) => shardsOf({ index: index + 1, count }, at(minute))).flat();
    for (let minute = 0; minute < 2 * count; minute++) {
      expect(swept(minute).length).toBe(DUE_SHARDS - DUE_SHARDS / count);
      expect(sorted([...new Set([...swept(minute), ...swept(minute + 1)])])).toEqual(sorted(dueShards));
    }
  });

  test("each sweep finds due clusters of its own partitions, and all sweeps together find each cluster once", async () => {
    const world = await makeWorld({ clock: () => at(5) });
    const identities = await putDue(world, "org", 200, at(0).toISOString());
    const { count } = sweepInvocations(false);
    const found: string[] = [];
    for (let index = 0; index < count; index++) {
      const shards = shardsOf({ index, count }, at(5));
      const due = await findDue(world.services, at(5), shards);
      expect(due.every(({ identity }) => shards.includes(dueShard(identity)))).toBe(true);
      found.push(...due.map(({ identity }) => identity));
    }
    expect(found.sort()).toEqual(identities.sort());
  });
});

describe("finding due clusters", () => {
  test("due clusters are found in turns by organisation, with the longest overdue first", async () => {
    const world = await makeWorld({ clock: () => at(60) });
    const many = await putDue(world, "large", 2_000, at(0).toISOString());
    const [late = ""] = await putDue(world, "small", 1, at(50).toISOString());
    const [later = ""] = await putDue(world, "smaller", 1, at(55).toISOString());
    const due = await findDue(world.services);
    expect(due).toHaveLength(many.length + 2);
    expect(due[0]).toMatchObject({ organisation: "large", dueAt: at(0).toISOString() });
    expect(due.slice(1, 3).map(({ identity }) => identity)).toEqual([late, later]);
    const ofLarge = due.filter(({ organisation }) => organisation === "large").map(({ dueAt }) => dueAt);
    expect(ofLarge).toEqual(ofLarge.toSorted());
  });
});
