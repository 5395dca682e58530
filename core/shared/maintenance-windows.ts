/**
 * Weekly maintenance windows in UTC. Pure functions: a window has no time zone, so a change to or from daylight-saving time never
 * moves it.
 */

import { DAY_MS } from "./time.ts";

/** Maintenance window as a user writes it: name of a day, time of day in UTC, and duration in minutes. */
export interface MaintenanceWindow {
  readonly day: string;
  readonly startTime: string;
  readonly duration: number;
}

/** Part of every week: minutes after Monday 00:00 UTC, and duration in minutes. */
interface WeeklyWindow {
  readonly startMinute: number;
  readonly duration: number;
}

/** Time in which maintenance is allowed: from `start` until just before `end`. */
interface OpenPeriod {
  readonly start: Date;
  readonly end: Date;
}

/** English names of the days. */
export const dayNames = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"] as const;

/** Maximum duration of a window, in minutes: it may end on the next day, also after the end of the week. */
export const MAX_WINDOW_MINUTES = 1_440;

/** Maximum length of a period of adjacent or overlapping windows, which may cover the whole week. */
const MAX_PERIOD_MS = 7 * DAY_MS;

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const WEEK_MS = 7 * DAY_MS;

/** 1970-01-05, the first Monday after the epoch, in milliseconds. */
const FIRST_MONDAY_MS = 4 * DAY_MS;

/** Names of days: in full or their first three letters, in any case. Without a flag for that, because JSON Schema has none. */
export const DAY_PATTERN = new RegExp(
  `^(${dayNames.map((name) => `${name.slice(0, 3)}(${name.slice(3)})?`).join("|")})$`.replaceAll(
    /[A-Z]/g,
    (letter) => `[${letter.toLowerCase()}${letter}]`,
  ),
);

/** Time of day: `H:MM` or `HH:MM`, 24 hours. */
export const TIME_PATTERN = /^([01]?[0-9]|2[0-3]):[0-5][0-9]$/;

/**
 * Parses the name of a day.
 *
 * @param text full English name or its first three letters, in any case
 * @returns 0 for Monday to 6 for Sunday; undefined for any other text
 */
export function parseDay(text: string): number | undefined {
  if (!DAY_PATTERN.test(text)) return undefined;
  return dayNames.findIndex((name) => name.startsWith(text.slice(0, 3).toUpperCase()));
}

/**
 * Parses a time of day.
 *
 * @param text `H:MM` or `HH:MM`, 24 hours
 * @returns minutes after midnight; undefined for any other text
 */
export function parseTimeOfDay(text: string): number | undefined {
  if (!TIME_PATTERN.test(text)) return undefined;
  const [hours, minutes] = text.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/** Parses a window. @returns undefined if it is malformed: such a window never opens */
function parseWindow({ day, startTime, duration }: MaintenanceWindow): WeeklyWindow | undefined {
  const [dayOfWeek, minute] = [parseDay(day), parseTimeOfDay(startTime)];
  const isDuration = Number.isInteger(duration) && duration >= 1 && duration <= MAX_WINDOW_MINUTES;
  if (dayOfWeek === undefined || minute === undefined || !isDuration) return undefined;
  return { startMinute: dayOfWeek * DAY_MINUTES + minute, duration };
}

/** Lists the occurrences of windows that end after a time, up to those that start a week after it. */
function occurrencesAfter(windows: readonly MaintenanceWindow[], afterMs: number): [startMs: number, endMs: number][] {
  const week = FIRST_MONDAY_MS + Math.floor((afterMs - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS;
  return windows
    .flatMap((each) => parseWindow(each) ?? [])
    .flatMap(({ startMinute, duration }) =>
      // A window of the week before may cross the end of the week.
      [-1, 0, 1, 2].map((weeks): [number, number] => {
        const startMs = week + weeks * WEEK_MS + startMinute * MINUTE_MS;
        return [startMs, startMs + duration * MINUTE_MS];
      }),
    )
    .filter(([, endMs]) => endMs > afterMs)
    .sort(([one], [other]) => one - other);
}

/**
 * Finds the next period in which a window is open. Windows that overlap or follow each other without a gap are one period.
 *
 * @param from earliest start of the period; inside of a window it is the start
 * @returns the period, at most seven days long; undefined if there is no window
 */
export function nextPeriod(windows: readonly MaintenanceWindow[], from: Date): OpenPeriod | undefined {
  const [first, ...rest] = occurrencesAfter(windows, from.getTime());
  if (first === undefined) return undefined;
  const startMs = Math.max(from.getTime(), first[0]);
  let endMs = first[1];
  for (const [nextMs, nextEndMs] of rest) {
    if (nextMs > endMs) break;
    endMs = Math.max(endMs, nextEndMs);
  }
  return { start: new Date(startMs), end: new Date(Math.min(endMs, startMs + MAX_PERIOD_MS)) };
}
