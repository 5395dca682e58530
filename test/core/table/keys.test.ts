import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareText } from "#core/shared/order.ts";
import * as keys from "#core/table/keys.ts";

/** Every key builder, with its number of parts and the parts that may be empty. */
const builders: Record<string, { parts: number; build: (...parts: string[]) => unknown; mayBeEmpty?: number }> = {
  organisationKey: { parts: 1, build: keys.organisationKey },
  environmentKey: { parts: 2, build: keys.environmentKey },
  memberKey: { parts: 2, build: keys.memberKey },
  memberEmailKey: { parts: 2, build: keys.memberEmailKey },
  referencesKey: { parts: 1, build: keys.referencesKey },
  totalKey: { parts: 1, build: keys.totalKey },
  scheduledUpgradeKey: { parts: 2, build: keys.scheduledUpgradeKey },
  observabilityTenantKey: { parts: 2, build: keys.observabilityTenantKey },
  alertmanagerKey: { parts: 2, build: keys.alertmanagerKey },
  silencesKey: { parts: 2, build: keys.silencesKey },
  cloudSecretKey: { parts: 2, build: keys.cloudSecretKey },
  usageKey: { parts: 2, build: keys.usageKey },
  clusterKey: { parts: 3, build: keys.clusterKey },
  supersededClusterKey: { parts: 4, build: keys.supersededClusterKey },
  clustersStart: { parts: 2, build: keys.clustersStart, mayBeEmpty: 1 },
  clustersBefore: { parts: 2, build: keys.clustersBefore, mayBeEmpty: 1 },
  clustersEnd: { parts: 1, build: keys.clustersEnd },
  tombstoneKey: { parts: 4, build: keys.tombstoneKey },
  tombstonePrefix: { parts: 2, build: keys.tombstonePrefix },
  indexChunkKey: { parts: 3, build: keys.indexChunkKey, mayBeEmpty: 2 },
  pointerKey: { parts: 1, build: keys.pointerKey },
  nodePoolKey: { parts: 1, build: (identity = "") => keys.nodePoolKey(identity, 1) },
  secretKey: { parts: 2, build: keys.secretKey },
  eventKey: { parts: 3, build: keys.eventKey },
  organisationEventKey: { parts: 3, build: keys.organisationEventKey },
  organisationEventsPartition: {
    parts: 1,
    build: (organisation = "") => keys.organisationEventsPartition(organisation),
  },
  eventsBefore: { parts: 2, build: keys.eventsBefore },
  tokenKey: { parts: 1, build: keys.tokenKey },
  userTokenKey: { parts: 2, build: keys.userTokenKey },
  userTokenCountKey: { parts: 1, build: keys.userTokenCountKey },
  userOrganisationKey: { parts: 2, build: keys.userOrganisationKey },
  simulationKey: { parts: 1, build: keys.simulationKey },
  poolsAndSecretsRange: { parts: 1, build: keys.poolsAndSecretsRange },
  rangesExceptEvents: { parts: 1, build: keys.rangesExceptEvents },
  dueShard: { parts: 1, build: keys.dueShard },
  listPartition: { parts: 2, build: keys.listPartition },
  listPartitions: { parts: 1, build: keys.listPartitions },
  idempotencyKey: { parts: 2, build: keys.idempotencyKey },
};

/** Functions that parse or format keys. */
const READERS = new Set([
  ...[
    "keyText",
    "clusterEnvironmentOf",
    "clusterIdentityOf",
    "clusterSlugOf",
    "observabilityTenantKeyOf",
    "organisationOf",
    "pointerKeyOf",
    "userOf",
  ],
]);

/** Every position of a text in a key, with valid other parts. */
const places = Object.entries(builders).flatMap(([name, { parts, build, mayBeEmpty }]) =>
  Array.from({ length: parts }, (_, place) => ({
    name,
    place,
    with: (text: string) => build(...Array.from({ length: parts }, (__, at) => (at === place ? text : "good"))),
    mayBeEmpty: mayBeEmpty === place,
  })),
);

/** Texts that could make two inputs one key, or give a key another meaning. */
const FORBIDDEN = [
  "#",
  "a#b",
  "#a",
  "a#",
  "|",
  "a|b",
  "$",
  "~",
  " ",
  "a b",
  "a\n",
  "\u0000",
  "/",
  "%23",
  "é",
  "＃",
  "😀",
  "\ud800",
];

const slug = fc.string({ unit: fc.constantFrom(..."ab-09z"), minLength: 1, maxLength: 5 });
const identity = fc.uuid();
const place = fc.record({ environment: slug, slug, identity: fc.option(identity) });
type Place = { environment: string; slug: string; identity: string | null };

const sortKey = ({ environment, slug: own, identity: displaced }: Place) =>
  displaced === null
    ? keys.clusterKey("org", environment, own).sk
    : keys.supersededClusterKey("org", environment, own, displaced).sk;

/** Compares by code point, as DynamoDB sorts. */

describe("table keys", () => {
  test("every exported key builder is tested", () => {
    const exported = Object.entries(keys).filter(([name, each]) => typeof each === "function" && !READERS.has(name));
    expect(exported.map(([name]) => name).sort()).toEqual(Object.keys(builders).sort());
  });

  test.each(places)("the key of $name accepts the characters of slugs, identities and dates in part $place", (at) => {
    for (const text of ["a", "a-b_c", "V1.2:3", "0".repeat(100)]) expect(() => at.with(text)).not.toThrow();
  });

  test.each(places)("the key of $name refuses separators and other characters in part $place", (at) => {
    for (const text of FORBIDDEN) expect(() => at.with(text), JSON.stringify(text)).toThrow(RangeError);
    expect(() => at.with("0".repeat(101))).toThrow(RangeError);
    if (!at.mayBeEmpty) expect(() => at.with("")).toThrow(RangeError);
  });

  test("the key of a node pool contains its full id", () => {
    expect(keys.nodePoolKey("good", 2 ** 52 - 1).sk).toBe("POOL#4503599627370495");
    expect(() => keys.nodePoolKey("good", 1e21)).toThrow(RangeError);
  });

  test("different inputs or builders give different keys", () => {
    const part = fc.string({ unit: fc.constantFrom(..."aA.:_-"), minLength: 1, maxLength: 2 });
    const single = Object.entries(builders).filter(
      ([name]) =>
        !/^(rangesExceptEvents|organisationEventsPartition|poolsAndSecretsRange|clusters|dueShard|listPartition|eventsBefore|tombstonePrefix)/.test(
          name,
        ),
    );
    const parts = fc.array(part, { minLength: 4, maxLength: 4 });
    const builder = fc.constantFrom(...single);
    fc.assert(
      fc.property(builder, builder, parts, fc.option(parts), ([name, one], [otherName, other], given, others) => {
        const [used, otherUsed] = [given.slice(0, one.parts), (others ?? given).slice(0, other.parts)];
        const same = name === otherName && used.join("#") === otherUsed.join("#");
        const text = keys.keyText(one.build(...used) as keys.Key);
        expect(text === keys.keyText(other.build(...otherUsed) as keys.Key)).toBe(same);
      }),
      { numRuns: 2_000 },
    );
  });

  test("the row of a cluster is in one of the partitions of its organisation, and every partition is used", () => {
    const used = new Set<string>();
    for (const uuid of fc.sample(identity, 200)) used.add(keys.listPartition("org", uuid));
    expect([...used].sort()).toEqual(keys.listPartitions("org").sort());
    expect(keys.listPartitions("org")).toHaveLength(keys.LIST_SHARDS);
  });

  test("slug and environment of a cluster are read from its key, also if another cluster took the slug", () => {
    for (const { sk } of [
      keys.clusterKey("org", "a-b", "my-shop"),
      keys.supersededClusterKey("org", "a-b", "my-shop", "id"),
    ]) {
      expect([keys.clusterEnvironmentOf(sk), keys.clusterSlugOf(sk)]).toEqual(["a-b", "my-shop"]);
    }
  });

  test("only the key of a pointer leads to a cluster", () => {
    expect(keys.clusterIdentityOf(keys.pointerKey("good"))).toBe("good");
    for (const [name, { parts, build }] of Object.entries(builders)) {
      const key = build(...Array.from({ length: parts }, () => "good"));
      if (name === "pointerKey" || typeof key !== "object" || Array.isArray(key)) continue;
      expect([name, keys.clusterIdentityOf(key as keys.Key)]).toEqual([name, undefined]);
    }
  });

  test("the key of what an observability tenant has leads to the tenant, and no other key does", () => {
    const tenant = keys.observabilityTenantKey("good", "good");
    for (const [name, { parts, build }] of Object.entries(builders)) {
      const key = build(...Array.from({ length: parts }, () => "good"));
      if (typeof key !== "object" || Array.isArray(key)) continue;
      const isOfTenant = ["alertmanagerKey", "silencesKey"].includes(name);
      expect([name, keys.observabilityTenantKeyOf(key as keys.Key)]).toEqual([name, isOfTenant ? tenant : undefined]);
    }
  });

  test("keys of listed items begin with the prefix of their list, and no other key of the partition does", () => {
    const inPartition = Object.entries({
      [keys.ENVIRONMENT_PREFIX]: keys.environmentKey("org", "x"),
      [keys.MEMBER_PREFIX]: keys.memberKey("org", "x"),
      [keys.INDEX_PREFIX]: keys.indexChunkKey("org", "x", ""),
      "CLUSTER#": keys.clusterKey("org", "x", "y"),
      "DELETED#": keys.tombstoneKey("org", "x", "y", "z"),
      [keys.OBSERVABILITY_TENANT_PREFIX]: keys.observabilityTenantKey("org", "x"),
      "USE#": keys.usageKey("org", "x"),
      ORG: keys.organisationKey("org"),
      REFERENCES: keys.referencesKey("org"),
      TOTAL: keys.totalKey("org"),
    });
    for (const [prefix] of inPartition) {
      const under = inPartition.filter(([, { sk }]) => sk.startsWith(prefix)).map(([of]) => of);
      expect(under).toEqual([prefix]);
    }
    expect(keys.nodePoolKey("c", 1).sk.startsWith(keys.NODE_POOL_PREFIX)).toBe(true);
    expect(keys.eventKey("c", "2026", "u").sk.startsWith(keys.EVENT_PREFIX)).toBe(true);
    expect(keys.pointerKey("c").sk.startsWith(keys.NODE_POOL_PREFIX)).toBe(false);
    expect(keys.userTokenKey("u", "t").sk.startsWith(keys.USER_TOKEN_PREFIX)).toBe(true);
    expect(keys.userOrganisationKey("u", "o").sk.startsWith(keys.USER_ORGANISATION_PREFIX)).toBe(true);
  });

  test("keys of events sort by time, then by ULID", () => {
    const [early, late] = ["2026-11-23T10:00:00.009Z", "2026-11-23T10:00:00.010Z"];
    const sorted = [
      keys.eventKey("c", early, "01A"),
      keys.eventKey("c", early, "01B"),
      keys.eventKey("c", late, "01A"),
    ];
    expect(sorted.map(({ sk }) => sk)).toEqual(sorted.map(({ sk }) => sk).sort(compareText));
  });

  test("the key of an event sorts before another exactly when the event is older", () => {
    const at = fc.constantFrom("2026-11-23T10:00:00.009Z", "2026-11-23T10:00:00.010Z");
    const ulid = fc.string({ unit: fc.constantFrom(..."0129ABYZ"), minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(at, ulid, at, ulid, (...[one, own, other, its]) => {
        const isBefore = keys.eventKey("c", one, own).sk <= keys.eventsBefore(other, its);
        expect(isBefore).toBe(one < other || (one === other && own < its));
        expect(keys.eventsBefore(other, its) > keys.EVENT_PREFIX).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the key ranges of a cluster's partition without its events", () => {
  test("the ranges without events contain every other item of the partition", () => {
    const ranges = keys.rangesExceptEvents("c");
    const isIn = ({ pk, sk }: keys.Key) =>
      ranges.some((range) => pk === range.pk && sk >= range.from && sk <= range.to);
    expect(isIn(keys.eventKey("c", "2026", "u"))).toBe(false);
    for (const sk of ["A", "CLUSTER", "EVENS#1", "EVENT", "EVENTS#1", "POOL#1", "SECRET#x", "Z#", "z"]) {
      expect([sk, isIn({ pk: keys.pointerKey("c").pk, sk })]).toEqual([sk, true]);
    }
    expect(isIn(keys.pointerKey("d"))).toBe(false);
  });

  test("the range of node pools and secrets contains these and no other item of the partition", () => {
    const range = keys.poolsAndSecretsRange("c");
    const isIn = ({ pk, sk }: keys.Key) => pk === range.pk && sk >= range.from && sk <= range.to;
    expect(isIn(keys.nodePoolKey("c", 1))).toBe(true);
    for (const name of ["CA", "KEY", "OIDC", "zz"]) expect(isIn(keys.secretKey("c", name))).toBe(true);
    expect(isIn(keys.pointerKey("c"))).toBe(false);
    expect(isIn(keys.eventKey("c", "2026", "u"))).toBe(false);
    expect(isIn(keys.nodePoolKey("d", 1))).toBe(false);
  });
});

describe("sort keys of clusters in the list index", () => {
  test("sort keys of clusters order by environment, slug, current owner first, then identity", () => {
    const rank = ({ environment, slug: own, identity: displaced }: Place) => [environment, own, displaced ?? ""];
    fc.assert(
      fc.property(fc.array(place, { maxLength: 30 }), (places) => {
        const byKey = places.map(sortKey).sort(compareText);
        const byMeaning = [...places].sort((one, other) => {
          const others = rank(other);
          return rank(one).reduce((order, part, at) => order || compareText(part, others[at] ?? ""), 0);
        });
        expect(byKey).toEqual(byMeaning.map(sortKey));
      }),
      { numRuns: 500 },
    );
  });

  test("a sort key is between two separators exactly if its slug is not below the first and is below the second", () => {
    fc.assert(
      fc.property(place, slug, slug, (held, a, b) => {
        const sk = sortKey(held);
        const { environment } = held;
        const between = sk >= keys.clustersStart(environment, a) && sk <= keys.clustersBefore(environment, b);
        expect(between).toBe(a <= held.slug && held.slug < b);
        expect(sk <= keys.clustersBefore(environment, b)).toBe(held.slug < b);
      }),
      { numRuns: 5_000 },
    );
  });

  test("exactly the sort keys of one environment are between its start and its end", () => {
    fc.assert(
      fc.property(place, slug, slug, (held, environment, a) => {
        const sk = sortKey(held);
        const end = keys.clustersEnd(environment);
        const own = held.environment === environment;
        expect(sk >= keys.clustersStart(environment, "") && sk <= end).toBe(own);
        expect(sk >= keys.clustersStart(environment, a) && sk <= end).toBe(own && held.slug >= a);
      }),
      { numRuns: 2_000 },
    );
  });

  test("sort keys of superseded clusters begin with the current owner's key and a separator", () => {
    fc.assert(
      fc.property(slug, slug, identity, slug, (environment, held, displaced, other) => {
        const prefix = `${keys.clusterKey("org", environment, held).sk}#`;
        expect(keys.supersededClusterKey("org", environment, held, displaced).sk.startsWith(prefix)).toBe(true);
        const others = keys.supersededClusterKey("org", environment, other, displaced).sk;
        expect(others.startsWith(prefix)).toBe(other === held);
      }),
    );
  });
});

describe("keys of chunks of the page index", () => {
  test("keys of chunks sort by their lower bounds, with the first chunk first", () => {
    fc.assert(
      fc.property(slug, slug, slug, (environment, a, b) => {
        const at = (bound: string) => keys.indexChunkKey("org", environment, bound).sk;
        expect(compareText(at(a), at(b))).toBe(compareText(a, b));
        expect(at("") < at(a)).toBe(true);
      }),
    );
  });

  test("a prefix finds exactly the chunks of one environment", () => {
    fc.assert(
      fc.property(slug, slug, slug, (environment, other, bound) => {
        const prefix = keys.indexChunkKey("org", environment, "").sk;
        expect(keys.indexChunkKey("org", other, bound).sk.startsWith(prefix)).toBe(other === environment);
      }),
    );
  });
});

describe("partitions of the due index", () => {
  test("the due index spreads clusters over all partitions, and a cluster always has the same one", () => {
    const identities = Array.from({ length: 2_000 }, (_, number) => `cluster-${number}`);
    const shards = identities.map(keys.dueShard);
    expect(identities.map(keys.dueShard)).toEqual(shards);
    const counts = Object.values(Object.groupBy(shards, (shard) => shard)).map((each) => each?.length ?? 0);
    expect(counts).toHaveLength(keys.DUE_SHARDS);
    // Each partition expects 62.5; the margin is wide.
    expect(Math.min(...counts)).toBeGreaterThan(35);
    expect(Math.max(...counts)).toBeLessThan(95);
  });
});
