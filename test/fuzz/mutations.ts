/** Mutates valid requests. */

import fc from "fast-check";
import { objectOf } from "./arbitrary.ts";
import { type Draft, encoded, textOf } from "./draft.ts";
import { HEADERS, junk, nastyText, ODD_NUMBERS } from "./junk.ts";
import { CALLERS } from "./scene.ts";

/** One generated mutation: `at` selects a place, `value` and `text` are possible new values. */
export interface Mutation {
  name: string;
  at: number;
  value: unknown;
  text: string;
}

type Change = (draft: Draft, mutation: Mutation) => void;

/** Place in JSON: its container and its name. */
interface Place {
  holder: Record<string, unknown> | unknown[];
  name: string | number;
}

function placesIn(value: unknown): Place[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Place["holder"];
  const names = Array.isArray(holder) ? [...holder.keys()] : Object.keys(holder);
  return names.flatMap((name): Place[] => [{ holder, name }, ...placesIn(held({ holder, name }))]);
}

const held = ({ holder, name }: Place): unknown => (holder as Record<string, unknown>)[name];

function put({ holder, name }: Place, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

const oneOf = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)];

/** Changes one place of the body; a body without places is replaced by the value. */
const inBody =
  (change: (place: Place, mutation: Mutation) => void): Change =>
  (draft, mutation) => {
    const place = oneOf(placesIn(draft.body), mutation.at);
    if (place === undefined) draft.body = mutation.value;
    else change(place, mutation);
  };

function stretched(value: unknown, at: number, text: string): unknown {
  const times = [2, 26, 64, 300, 1_025][at % 5] ?? 2;
  if (typeof value === "string")
    return [`${value}${text}`, value.repeat(times).slice(0, 20_000), value.toUpperCase(), ` ${value} `][at % 4];
  if (typeof value === "number") return [value + 1, -value, value + 0.5, value * 1e6, 1_000, 1_001][at % 6];
  if (Array.isArray(value)) return Array.from({ length: times }, () => structuredClone(value[0] ?? {}));
  if (typeof value === "object" && value !== null) {
    const [first] = Object.values(value);
    return objectOf(Array.from({ length: times }, (_, number) => [`n${number}`, first ?? {}]));
  }
  return `${value}`;
}

/** One or two of these make a request nearly valid. */
const NEAR: Record<string, Change> = {
  replace: inBody((place, { value }) => put(place, value)),
  stretch: inBody((place, { at, text }) => put(place, stretched(held(place), at >> 3, text))),
  drop: inBody(({ holder, name }) => {
    if (Array.isArray(holder)) holder.splice(Number(name), 1);
    else delete holder[name];
  }),
  extra: (draft, { at, text, value }) => {
    const holders = [draft.body, ...placesIn(draft.body).map(held)];
    const holder = oneOf(
      holders.filter((each) => typeof each === "object" && each !== null && !Array.isArray(each)),
      at,
    );
    if (holder !== undefined) put({ holder: holder as Record<string, unknown>, name: text }, structuredClone(value));
  },
  parameter: (draft, { at, text }) => {
    const [name] = (oneOf(draft.query, at) ?? encoded(text)).split("=");
    draft.query.splice(at % (draft.query.length + 1), 1, `${name}=${encoded(text)}`);
  },
  duplicate: (draft, { at, text }) => {
    const pair =
      oneOf(draft.query, at) ??
      oneOf(["dryRun=true", "pageSize=1", "pageable={}", "includeDetails=true"], at >> 4) ??
      "";
    draft.query.push(pair, at % 2 === 0 ? pair : `${pair.split("=")[0]}=${encoded(text)}`);
  },
  unknown: (draft, { text, at }) => {
    draft.query.push(`${encoded(text)}=${at}`);
  },
  number: (draft, { at }) => {
    const names = ["pageNumber", "page", "pageSize", "size"];
    const values = ["-1", "0", "1000", "1001", "2147483647", "2147483648", "1e3", "1.0", "", "+1", "٣", "0x10"];
    draft.query.push(`${oneOf(names, at)}=${oneOf(values, at >> 2)}`);
  },
  header: (draft, { at }) => {
    const name = oneOf(Object.keys(HEADERS), at) ?? "prefer";
    draft.headers[name] = oneOf(HEADERS[name] ?? [], at >> 5) ?? "";
  },
  type: (draft, { at }) => {
    draft.headers["content-type"] = oneOf(HEADERS["content-type"] ?? [], at) ?? "";
  },
  segment: (draft, { at, text }) => {
    draft.segments[3 + (at % Math.max(1, draft.segments.length - 3))] = encoded(text);
  },
  caller: (draft, { at }) => {
    draft.caller = oneOf(CALLERS, at) ?? "nobody";
  },
};

const onText =
  (change: (text: string, mutation: Mutation) => string | Uint8Array<ArrayBuffer>): Change =>
  (draft, mutation) => {
    draft.raw = change(textOf(draft), mutation);
  };

const inserted = (text: string, at: number, bytes: readonly number[]): Uint8Array<ArrayBuffer> => {
  const whole = Buffer.from(text);
  const place = at % (whole.length + 1);
  return Uint8Array.from([...whole.subarray(0, place), ...bytes, ...whole.subarray(place)]);
};

const BAD_UTF8 = [
  [0xff],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
  [0x80],
  [0xef, 0xbb, 0xbf],
];
const RAW_SEGMENTS = [
  "%",
  "%zz",
  "%ff",
  "%C0%AF",
  "%2F",
  "%2e%2e",
  "..",
  ".",
  "%00",
  "%0d%0a",
  "é",
  "a\\b",
  "a;b=c",
  "%E2%82",
  "",
  "%25",
  "a b",
  "__proto__",
];
const RAW_PAIRS = [
  "%",
  "%zz",
  "%ff=%ff",
  "=",
  "&&",
  "a=b=c",
  "page=%00",
  "sort=name&sort=name&sort=%2C",
  "+",
  "dryRun=%74rue",
  "pageable=%7B",
];

/** Mutations that do not happen by mistake. */
const HOSTILE: Record<string, Change> = {
  truncated: onText((text, { at }) => text.slice(0, at % (text.length + 1))),
  followed: onText((text, { at }) => `${text}${oneOf([",", "]", "\u0000", "{}", "//", "\n\n"], at)}`),
  spelled: onText((text, { at }) => {
    const odd = oneOf(ODD_NUMBERS, at) ?? "";
    return /[:[]\d+/.test(text)
      ? text.replace(/([:[])\d+/, `$1${odd}`)
      : text.replace(/true|false|"[^"\\]*"(?=[,}])/, odd);
  }),
  "key twice": onText((text, { value }) =>
    text.replace(/("[^"\\]+"):/, (whole, name) => `${name}:${JSON.stringify(value) ?? "null"},${whole}`),
  ),
  bytes: onText((text, { at }) => inserted(text, at >> 3, oneOf(BAD_UTF8, at) ?? [])),
  control: onText((text, { at }) => inserted(text, at, [at % 0x20])),
  empty: onText(() => ""),
  whole: (draft, { value }) => {
    draft.body = value;
  },
  deep: inBody((place, { at }) => {
    const depth = [50, 500, 2_000][at % 3] ?? 50;
    let value: unknown = null;
    for (let level = 0; level < depth; level++) value = at % 2 === 0 ? [value] : { a: value };
    put(place, value);
  }),
  deepest: onText((text, { at }) => {
    const depth = [9_000, 60_000, 120_000][at % 3] ?? 1;
    const [open, close] = at % 2 === 0 ? ["[", "]"] : ['{"a":', "}"];
    const nested = `${open.repeat(depth)}0${close.repeat(depth)}`;
    return at % 5 === 0 ? nested : text.replace(/^\{/, `{"deep":${nested},`);
  }),
  names: (draft, mutation) => {
    for (let number = 0; number < 1 + (mutation.at % 12); number++) {
      NEAR.extra?.(draft, { ...mutation, at: mutation.at + number, text: `${mutation.text}${number || ""}` });
    }
  },
  many: (draft, { at, text }) => {
    const count = [200, 1_000, 10_000][at % 3] ?? 0;
    draft.body = objectOf(Array.from({ length: count }, (_, number) => [`${text.slice(0, 20)}${number}`, number]));
  },
  large: (draft, { at }) => {
    const size = [250_000, 262_144, 300_000, 300_000, 300_000, 1_200_000][at % 6] ?? 0;
    draft.raw = JSON.stringify({ ...(draft.body as object), description: "x".repeat(size) });
  },
  path: (draft, { at }) => {
    const place = 3 + (at % Math.max(1, draft.segments.length - 3));
    draft.segments[place] = oneOf(RAW_SEGMENTS, at >> 3) ?? "";
  },
  longest: (draft, { at, text }) => {
    draft.segments[draft.segments.length - 1] = encoded(`a${text}`).repeat(1 + (at % 300));
  },
  slash: (draft, { at }) => {
    draft.segments.splice(1 + (at % draft.segments.length), 0, oneOf(["", ".", "move", "pools"], at >> 4) ?? "");
  },
  query: (draft, { at }) => {
    draft.query.push(oneOf(RAW_PAIRS, at) ?? "");
  },
  "query of many": (draft, { at, text }) => {
    const name = encoded(text.slice(0, 20));
    for (let number = 0; number < (at % 2 === 0 ? 50 : 1_000); number++) draft.query.push(`${name}${number % 7}=1`);
  },
  "query of much": (draft, { at }) => {
    const name = oneOf(["name", "sort", "pageable", "x"], at);
    draft.query.push(`${name}=${(oneOf(["a", "%F0%9F%98%80", ","], at >> 2) ?? "").repeat(4_000)}`);
  },
  method: (draft, { at }) => {
    draft.method =
      oneOf(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND", "__proto__"], at) ?? "GET";
  },
};

const drawn = (names: readonly string[]): fc.Arbitrary<Mutation> =>
  fc.record({ name: fc.constantFrom(...names), at: fc.nat(100_000), value: junk, text: nastyText });

const NEEDS_BODY = new Set(
  "replace stretch drop extra type truncated followed spelled bytes control empty whole deep deepest names many large"
    .split(" ")
    .concat("key twice"),
);
const fitting = (changes: Record<string, Change>, takesBody: boolean) =>
  Object.keys(changes).filter((name) => takesBody || !NEEDS_BODY.has(name));

/** One or two small mistakes. @param takesBody true if the operation has a body to change */
export const nearMutations = (takesBody: boolean): fc.Arbitrary<Mutation[]> =>
  fc.array(drawn(fitting(NEAR, takesBody)), { minLength: 1, maxLength: 2 });

/** One attack, with or without a small mistake before it. @param takesBody as above */
export const hostileMutations = (takesBody: boolean): fc.Arbitrary<Mutation[]> =>
  fc
    .tuple(fc.array(drawn(fitting(NEAR, takesBody)), { maxLength: 1 }), drawn(fitting(HOSTILE, takesBody)))
    .map(([near, one]) => [...near, one]);

/** Applies a mutation to a draft. */
export function mutate(draft: Draft, mutation: Mutation): void {
  // An inserted value may be mutated later, and the generated one is shared.
  const value = structuredClone(mutation.value);
  (NEAR[mutation.name] ?? HOSTILE[mutation.name])?.(draft, { ...mutation, value });
}
