import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  dayNames,
  type MaintenanceWindow,
  nextPeriod,
  parseDay,
  parseTimeOfDay,
} from "#core/shared/maintenance-windows.ts";
import { isOpen } from "#test/support/upgrades.ts";

const MINUTE_MS = 60_000;
const WEEK_MINUTES = 7 * 1_440;

const spelledDay = fc
  .tuple(fc.constantFrom(...dayNames), fc.boolean(), fc.constantFrom("upper", "lower", "capital"))
  .map(([day, isShort, letters]) => {
    const name = isShort ? day.slice(0, 3) : day;
    return letters === "upper"
      ? name
      : letters === "lower"
        ? name.toLowerCase()
        : `${name.charAt(0)}${name.slice(1).toLowerCase()}`;
  });

const spelledTime = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.boolean())
  .map(([hour, minute, isPadded]) => `${`${hour}`.padStart(isPadded ? 2 : 1, "0")}:${`${minute}`.padStart(2, "0")}`);

const window: fc.Arbitrary<MaintenanceWindow> = fc.record({
  day: spelledDay,
  startTime: spelledTime,
  duration: fc.oneof(fc.integer({ min: 1, max: 1_440 }), fc.constantFrom(1, 1_439, 1_440)),
});

/** Moments around the days on which Amsterdam, New York and Lord Howe Island change their clocks, and any other moment. */
const moment = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        "2026-03-08T07:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-11-01T06:00:00Z",
      ),
      fc.integer({ min: -3 * 1_440, max: 3 * 1_440 }),
    )
    .map(([change, minutes]) => new Date(Date.parse(change) + minutes * MINUTE_MS)),
  fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => new Date(seconds * 1_000)),
);

const LONG_DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Obvious model: goes from minute to minute, and opens a window for its duration in the minute in which it starts. */
function openMinutes(windows: readonly MaintenanceWindow[], from: Date, days: number): Set<number> {
  const open = new Set<number>();
  const first = Math.floor(from.getTime() / MINUTE_MS) - 1_440;
  for (let minute = first; minute < first + (days + 1) * 1_440; minute++) {
    const then = new Date(minute * MINUTE_MS);
    const name = (LONG_DAYS[then.getUTCDay()] ?? "").toLowerCase();
    const clock = then.toISOString().slice(11, 16);
    for (const { day, startTime, duration } of windows) {
      const isDay = [name, name.slice(0, 3)].includes(day.toLowerCase());
      if (!isDay || startTime.padStart(5, "0") !== clock) continue;
      for (let later = minute; later < minute + duration; later++) open.add(later);
    }
  }
  return open;
}

const minuteOf = (at: Date) => Math.floor(at.getTime() / MINUTE_MS);

/** Obvious model: goes on from minute to minute to the first one that is open, and then to the first one that is not. */
function nextPeriodInModel(windows: readonly MaintenanceWindow[], from: Date): { start: Date; end: Date } | undefined {
  if (windows.length === 0) return undefined;
  const open = openMinutes(windows, from, 16);
  let minute = minuteOf(from);
  while (!open.has(minute)) minute++;
  const startMs = Math.max(from.getTime(), minute * MINUTE_MS);
  while (open.has(minute) && minute < minuteOf(from) + 15 * 1_440) minute++;
  return { start: new Date(startMs), end: new Date(Math.min(minute * MINUTE_MS, startMs + WEEK_MINUTES * MINUTE_MS)) };
}

describe("maintenance windows", () => {
  test("names of days are accepted in any case, in full or with three letters, and nothing else is", () => {
    expect(["Monday", "TUE", "wed", "thursday", "Fri", "SATURDAY", "sUn"].map(parseDay)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(["", "Mo", "Mond", "Montag", " MON", "0", "TODAY"].map(parseDay)).toEqual(Array(7).fill(undefined));
  });

  test("times of day are H:MM or HH:MM with 24 hours, and nothing else is accepted", () => {
    expect(["0:00", "00:00", "2:05", "02:05", "23:59"].map(parseTimeOfDay)).toEqual([0, 0, 125, 125, 1_439]);
    const wrong = ["", "24:00", "2:5", "2", "02:60", "2:00 AM", "+2:00", "002:00", "2.00"];
    expect(wrong.map(parseTimeOfDay)).toEqual(wrong.map(() => undefined));
  });

  test("a moment is inside of a window exactly if the minute-by-minute model says so", () => {
    fc.assert(
      fc.property(fc.array(window, { maxLength: 4 }), moment, (windows, at) => {
        expect(isOpen(windows, at)).toBe(openMinutes(windows, at, 1).has(minuteOf(at)));
      }),
      { numRuns: 200 },
    );
  });

  test("the next period is the one that the minute-by-minute model finds", () => {
    fc.assert(
      fc.property(
        fc.array(window, { maxLength: 3 }),
        moment,
        fc.integer({ min: 0, max: 59_999 }),
        (windows, at, ms) => {
          const from = new Date(at.getTime() + ms);
          expect(nextPeriod(windows, from)).toEqual(nextPeriodInModel(windows, from));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a window across midnight at the end of the week is one period", () => {
    const windows = [{ day: "SUN", startTime: "23:30", duration: 60 }];
    const period = nextPeriod(windows, new Date("2026-11-23T00:10:00Z"));
    expect(period).toEqual({ start: new Date("2026-11-23T00:10:00Z"), end: new Date("2026-11-23T00:30:00Z") });
    expect(nextPeriod(windows, new Date("2026-11-23T00:30:00Z"))).toEqual({
      start: new Date("2026-11-29T23:30:00Z"),
      end: new Date("2026-11-30T00:30:00Z"),
    });
  });

  test("windows that follow each other are one period, and windows all week end after seven days", () => {
    const pair = [
      { day: "SAT", startTime: "2:00", duration: 60 },
      { day: "SAT", startTime: "3:00", duration: 60 },
    ];
    expect(nextPeriod(pair, new Date("2026-11-23T00:00:00Z"))).toEqual({
      start: new Date("2026-11-28T02:00:00Z"),
      end: new Date("2026-11-28T04:00:00Z"),
    });
    const always = dayNames.map((day) => ({ day, startTime: "0:00", duration: 1_440 }));
    const from = new Date("2026-11-25T12:00:00Z");
    expect(nextPeriod(always, from)).toEqual({ start: from, end: new Date("2026-12-02T12:00:00Z") });
  });

  test("a window stays at its time in UTC in the weeks in which Amsterdam and New York change their clocks", () => {
    const windows = [{ day: "SUNDAY", startTime: "02:00", duration: 120 }];
    const starts: string[] = [];
    let from = new Date("2026-01-01T00:00:00Z");
    for (let week = 0; week < 53; week++) {
      const period = nextPeriod(windows, from);
      if (period === undefined) throw new Error("no period");
      starts.push(period.start.toISOString());
      from = period.end;
    }
    expect(new Set(starts.map((start) => start.slice(11)))).toEqual(new Set(["02:00:00.000Z"]));
    const days = starts.map((start) => Date.parse(start) / 86_400_000);
    expect(new Set(days.slice(1).map((day, index) => day - (days[index] ?? 0)))).toEqual(new Set([7]));
  });

  test("a malformed window never opens", () => {
    const malformed = [
      { day: "Caturday", startTime: "2:00", duration: 60 },
      { day: "SAT", startTime: "25:00", duration: 60 },
      { day: "SAT", startTime: "2:00", duration: 0 },
      { day: "SAT", startTime: "2:00", duration: 1_441 },
    ];
    expect(nextPeriod(malformed, new Date("2026-11-23T00:00:00Z"))).toBeUndefined();
  });
});
