/** Writes and reads the tables of docs/cost.md. */

import { formatRow, formatTable } from "./document.ts";
import {
  type Consumption,
  calculateMonth,
  calculateRequestPrice,
  TRAFFIC,
  WORK,
  type WorkConsumption,
} from "./prices.ts";

const amount = (dollars: number) => (dollars >= 100 ? Math.round(dollars).toLocaleString("en") : dollars.toFixed(2));

const HEADS = ["database calls", "read units", "write units", "key requests"];
const OFTEN = "per cluster and month";

/** Formats the tables of docs/cost.md. @param asked consumption of operations @param worked consumption of the reconciler */
export function formatCostTables(
  asked: ReadonlyMap<string, Consumption>,
  worked: ReadonlyMap<string, WorkConsumption>,
) {
  const cells = ({ calls, readUnits, writeUnits, keyRequests }: Consumption) => [
    calls,
    readUnits,
    writeUnits,
    keyRequests,
  ];
  const operations = [...asked].map(([name, each]) =>
    formatRow(name, ...cells(each), amount(calculateRequestPrice(each) * 1_000_000), TRAFFIC[name] ?? ""),
  );
  const work = [...worked].map(([name, each]) => formatRow(name, ...cells(each), each.seconds, WORK[name] ?? ""));
  const months = [1, 1_000, 100_000, 1_000_000].map((clusters) => {
    const month = calculateMonth(clusters, asked, worked);
    const { requests, storage, fixed, total } = month;
    return formatRow(clusters.toLocaleString("en"), ...[requests, month.work, storage, fixed, total].map(amount));
  });
  return {
    operations: formatTable(["operation", ...HEADS, "per million, $", OFTEN], operations),
    work: formatTable(["work", ...HEADS, "seconds of waiting", OFTEN], work),
    months: formatTable(
      ["clusters", "requests, $", "reconciler, $", "storage, $", "fixed, $", "total per month, $"],
      months,
    ),
  };
}

/** Returns the numbers of a table's rows, by the text of the first cell. */
function numbersOf(text: string): Map<string, number[]> {
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| ---"));
  return new Map(
    rows.slice(1).map((line) => {
      const [, name = "", ...cells] = line.split("|").map((cell) => cell.trim());
      return [name, cells.map(Number)];
    }),
  );
}

function consumptionOf([calls = 0, readUnits = 0, writeUnits = 0, keyRequests = 0]: readonly number[]): Consumption {
  return { calls, readUnits, writeUnits, keyRequests };
}

/** Reads the consumption back from the tables. */
export function parseConsumption({ operations, work }: { operations: string; work: string }) {
  return {
    asked: new Map([...numbersOf(operations)].map(([name, cells]) => [name, consumptionOf(cells)])),
    worked: new Map(
      [...numbersOf(work)].map(([name, cells]) => [name, { ...consumptionOf(cells), seconds: cells[4] ?? 0 }]),
    ),
  };
}
