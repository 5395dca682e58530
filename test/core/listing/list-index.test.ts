import { expect, test } from "vitest";
import { clusterEntity } from "#core/cluster/entity.ts";
import { RANGE_ROWS } from "#core/listing/list-index.ts";
import { Meter } from "#core/table/capacity-meter.ts";
import { LIST_INDEX } from "#core/table/definition.ts";
import { fill } from "#test/support/filling.ts";
import { makeWorld } from "#test/support/world.ts";

/** DynamoDB ends a page of a Query after so many bytes. */
const PAGE_BYTES = 1024 * 1024;

/** An eventually consistent read of so many bytes consumes one unit. */
const UNIT_BYTES = 8 * 1024;

test("one page of a Query holds the rows of a range of the list index", async () => {
  const world = await makeWorld();
  const tenant = await world.tenant();
  const body = tenant.creation({ name: "A cluster with a name of thirty-six" });
  await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  const pk = `ORG#${tenant.slug}`;
  const [item] = await world.table.query({ pk, prefix: "CLUSTER#production#" });
  if (item === undefined) throw new Error("no cluster to copy");
  const template = clusterEntity.read(item);
  const filled = await world.tenant();
  await fill(world, filled, template, 500, () => ({ name: template.name }));
  const meter = new Meter();
  const range = { pk: `ORG#${filled.slug}`, prefix: "CLUSTER#", index: LIST_INDEX } as const;
  const rows = await world.table.metered(meter).query(range);
  expect(rows).toHaveLength(500);
  expect((meter.readUnits * UNIT_BYTES * RANGE_ROWS) / rows.length).toBeLessThan(PAGE_BYTES);
});
