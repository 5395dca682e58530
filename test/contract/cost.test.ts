import { describe, expect, test } from "vitest";
import { API_PREFIX, routeRows } from "#functions/api/routes.ts";
import { calculateCapacity, formatCapacityTable } from "#test/bench/capacity.ts";
import { measuredOperations } from "#test/bench/cost-operations.ts";
import { formatCostTables, parseConsumption } from "#test/bench/cost-tables.ts";
import { readBetween } from "#test/bench/document.ts";
import { calculateMonth } from "#test/bench/prices.ts";

const documented = (name: string) => readBetween("docs/cost.md", name);
const { asked, worked } = parseConsumption({ operations: documented("operations"), work: documented("work") });

test("the prices of docs/cost.md follow from its units, traffic and list prices", () => {
  const { operations, work, months } = formatCostTables(asked, worked);
  expect(documented("operations")).toBe(operations);
  expect(documented("work")).toBe(work);
  expect(documented("months")).toBe(months);
});

test("npm run bench:costs measures every operation of the API", () => {
  const measured = new Set(measuredOperations.map(({ id }) => id));
  const operations = routeRows.filter(({ path }) => path.startsWith(`${API_PREFIX}/`));
  expect(operations.length).toBeGreaterThan(70);
  const unmeasured = operations.filter(({ id }) => !measured.has(id)).map(({ id }) => id);
  expect(unmeasured, "without a row in test/bench/cost-operations.ts").toEqual([]);
});

test("docs/cost.md has a row for each measured operation, in the order of the list", () => {
  expect([...asked.keys()]).toEqual(measuredOperations.map(({ name }) => name));
});

test("the monthly cost is the cost of the stage plus a constant cost per cluster", () => {
  const month = (clusters: number) => calculateMonth(clusters, asked, worked);
  expect(month(0).total).toBeCloseTo(month(0).fixed);
  const each = month(1).total - month(0).total;
  expect(month(1_000).total).toBeCloseTo(month(0).total + 1_000 * each);
});

test("traffic that names an unknown operation is refused", () => {
  expect(() => calculateMonth(1, new Map(), worked)).toThrow(/no measurement of: get a cluster/);
});

describe("the cost of idle clusters in docs/performance.md", () => {
  const text = readBetween("docs/performance.md", "rest");
  const amount = (name: string) => Number(text.match(new RegExp(`^\\| ${name} \\| ([0-9.]+) \\|$`, "m"))?.[1]);
  const look = {
    cpuMs: amount("CPU time, ms"),
    readUnits: amount("read units"),
    writeUnits: amount("write units"),
  };

  test("the documented cost of idle clusters follows from the measurements and the deployed settings", () => {
    expect(text).toContain(formatCapacityTable(look));
  });

  test("one stage keeps up with 1,000,000 idle clusters", () => {
    expect(calculateCapacity(look).atMost).toBeGreaterThan(1_000_000);
    expect(calculateCapacity(look).indexWritesPerShard).toBeLessThan(1_000);
  });
});
