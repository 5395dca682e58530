import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareVersions, parseVersion } from "#core/catalogue/index.ts";
import { automaticTarget, type Offer } from "#core/cluster/rules/automatic-upgrade.ts";

const version = (minor: number, patch: number) => `v1.${minor}.${patch}-u-ame.1`;

/** Builds an offer: a channel for each minor with its newest available version. */
function offerOf(versions: readonly (readonly [minor: number, patch: number, available?: boolean])[]): Offer {
  const all = versions.map(([minor, patch, available = true]) => ({ version: version(minor, patch), available }));
  const newest = new Map<string, string>();
  for (const each of all.toSorted((one, other) => compareVersions(one.version, other.version))) {
    if (each.available) newest.set(`v1.${parseVersion(each.version)?.minor}`, each.version);
  }
  const channels = [...newest].map(([name, kubernetesClusterVersion]) => ({
    name,
    available: true,
    kubernetesClusterVersion,
  }));
  return { versions: all, channels };
}

const OFFER = offerOf([
  [33, 4],
  [33, 8],
  [34, 3],
  [34, 4],
  [35, 1],
]);

const target = (present: string, updateChannel: string | undefined, offer = OFFER, autoUpgrade = true) =>
  automaticTarget({ version: present, updateChannel, autoUpgrade }, offer);

describe("the target of an automatic upgrade", () => {
  test.each([
    ["the version of the channel", version(34, 3), "v1.34", version(34, 4)],
    ["the next minor version on the way to a channel further ahead", version(33, 4), "v1.35", version(34, 4)],
    ["the version of a channel one minor ahead", version(34, 3), "v1.35", version(35, 1)],
    ["the newest patch without a channel", version(33, 4), undefined, version(33, 8)],
    ["nothing at the version of the channel", version(34, 4), "v1.34", undefined],
    ["nothing with a channel that is behind the cluster", version(35, 1), "v1.34", undefined],
    ["nothing with a channel that does not exist any more", version(33, 4), "v1.32", undefined],
  ])("it is %s", (_, present, channel, expected) => {
    expect(target(present, channel)).toBe(expected);
  });

  test("it is nothing for a cluster without autoUpgrade", () => {
    expect(target(version(33, 4), "v1.33", OFFER, false)).toBeUndefined();
  });

  test("it follows a channel that gets a newer version, and no version that is withdrawn", () => {
    expect(
      target(
        version(34, 4),
        "v1.34",
        offerOf([
          [34, 4],
          [34, 5],
        ]),
      ),
    ).toBe(version(34, 5));
    expect(
      target(
        version(34, 3),
        "v1.34",
        offerOf([
          [34, 3],
          [34, 4, false],
        ]),
      ),
    ).toBeUndefined();
    expect(
      target(
        version(34, 3),
        undefined,
        offerOf([
          [34, 3],
          [34, 4],
          [34, 5, false],
        ]),
      ),
    ).toBe(version(34, 4));
  });

  test("it is nothing if a minor version on the way is missing or withdrawn", () => {
    expect(
      target(
        version(33, 4),
        "v1.35",
        offerOf([
          [33, 4],
          [35, 1],
        ]),
      ),
    ).toBeUndefined();
    expect(
      target(
        version(33, 4),
        "v1.35",
        offerOf([
          [33, 4],
          [34, 4, false],
          [35, 1],
        ]),
      ),
    ).toBeUndefined();
  });

  test("it is always newer, available and at most one minor version ahead, and steps end at the channel or at a gap", () => {
    const row = fc.tuple(fc.integer({ min: 30, max: 36 }), fc.integer({ min: 0, max: 3 }), fc.boolean());
    const channel = fc.option(fc.integer({ min: 30, max: 36 }), { nil: undefined });
    fc.assert(
      fc.property(fc.uniqueArray(row, { minLength: 1, selector: String }), channel, fc.nat(), (rows, minor, pick) => {
        const unique = [...new Map(rows.map((each) => [version(each[0], each[1]), each])).values()];
        const offer = offerOf(unique);
        const [first = 30, patch = 0] = unique[pick % unique.length] ?? [];
        let present = version(first, patch);
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(30);
          const next = target(present, minor === undefined ? undefined : `v1.${minor}`, offer);
          if (next === undefined) break;
          expect(compareVersions(next, present)).toBeGreaterThan(0);
          expect(offer.versions).toContainEqual({ version: next, available: true });
          const from = parseVersion(present)?.minor ?? 0;
          expect((parseVersion(next)?.minor ?? 0) - from).toBeLessThanOrEqual(minor === undefined ? 0 : 1);
          present = next;
        }
      }),
    );
  });
});
