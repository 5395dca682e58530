import { beforeAll, describe, expect, test } from "vitest";
import { entities } from "#core/admin/entities.ts";
import { pointerEntity } from "#core/cluster/entity.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { DUE_INDEX, LIST_INDEX, tableDefinition } from "#core/table/definition.ts";
import { DOCUMENT } from "#core/table/entity.ts";
import { clusterKey, type Key, memberKey, tokenKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { STREAM_FILTER } from "#functions/reconciler/invocations.ts";
import { makeWorld, type World } from "#test/support/world.ts";

describe("the attributes of stored items", () => {
  let world: World;
  beforeAll(async () => {
    world = await makeWorld({ maxAttempts: 1 });
  });

  const update = (key: Key, expression: string, condition: string) =>
    commit(
      world.table,
      new Transaction().update("item", key, expression, { condition, values: { ":value": 1 } }),
      deadlineIn(0),
    );

  test("an index contains only attributes of its entity", async () => {
    const { [LIST_INDEX]: list, [DUE_INDEX]: due } = tableDefinition.indexes;
    const tenant = await world.tenant();
    await world.send("POST", tenant.path("production"), {
      token: tenant.admin,
      body: tenant.creation({ name: "one" }),
    });
    const [cluster] = await world.table.query({ pk: `ORG#${tenant.slug}`, prefix: "CLUSTER#" });
    expect(Object.keys(cluster ?? {})).toEqual(
      expect.arrayContaining([list.partitionKey, list.sortKey, ...list.include]),
    );
    expect(pointerEntity.attributes).toEqual(expect.arrayContaining([...due.include]));
  });

  test("the stream's filter names only attributes of pointers", () => {
    const { entity: _, ...named } = STREAM_FILTER.dynamodb.NewImage;
    expect(pointerEntity.attributes).toEqual(expect.arrayContaining(Object.keys(named)));
  });

  test("no entity has a property with the name of the document", () => {
    for (const { attributes } of entities) expect(attributes).not.toContain(DOCUMENT);
  });

  test("a write whose condition names a property in the document is refused in tests", async () => {
    const key = clusterKey("acme", "production", "one");
    await expect(update(key, "SET #status = :value", "#description = :value")).rejects.toThrow(
      /names description, which is no attribute of the entity cluster/,
    );
  });

  test("a write whose update names a property in the document is refused in tests", async () => {
    const key = memberKey("acme", "2d6a4d1e-66a7-4b0e-8ad2-0a2fd7b9e1c4");
    await expect(update(key, "SET #role = :value", "attribute_exists(#pk)")).rejects.toThrow(
      /names role, which is no attribute of the entity member/,
    );
    const token = tokenKey("2d6a4d1e-66a7-4b0e-8ad2-0a2fd7b9e1c4");
    await expect(update(token, "SET #revokedAt = :value", "attribute_exists(#pk)")).resolves.toHaveLength(1);
  });
});
