import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import type { NodePool } from "#core/node-pool/entity.ts";
import type { TranslatedPool, TranslatedType, TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { settingsByType } from "#core/provisioning/cluster-api/profile.ts";
import { observedZones } from "#core/provisioning/cluster-api/zones.ts";
import { type Effect, effectOf } from "#test/support/cluster-api/effects.ts";
import { exampleOf, VERSION } from "#test/support/cluster-api/examples.ts";
import { planned, releaseOf } from "#test/support/cluster-api/input-parts.ts";
import { abilitiesOf } from "#test/support/cluster-api/provider-settings.ts";
import { translateAll, translatedTypes } from "#test/support/cluster-api/translating.ts";

type Change = (input: TranslationInput) => TranslationInput;

const cluster =
  (settings: Partial<Cluster>): Change =>
  (input) => ({ ...input, cluster: { ...input.cluster, ...settings } });

/** Changes the first pool of the example, `web`. */
const pool =
  (settings: Partial<NodePool>): Change =>
  ({ nodePools: [web, ...others], ...input }) => ({
    ...input,
    nodePools: web === undefined ? [] : [{ ...web, pool: { ...web.pool, ...settings } }, ...others],
  });

/** Plans the first pool to another version. */
const poolVersion =
  (to: string): Change =>
  ({ nodePools: [web, ...others], ...input }) => ({
    ...input,
    nodePools: web === undefined ? [] : [planned(input.type, web.pool, VERSION, to), ...others],
  });

const withImage = <Of extends { release: TranslatedPool["release"] }>(each: Of): Of => ({
  ...each,
  release: { ...each.release, image: "8888" },
});

const NEWER = "v1.35.1-u-ame.1";
const NOTHING: Effect = { changes: [], rollouts: [] };
const POOLS = ["pool batch", "pool data", "pool web"];

const only = (...changes: string[]): Effect => ({ changes: changes.sort(), rollouts: [] });
const rolling = (rollouts: string[], ...others: string[]): Effect => ({
  changes: [...rollouts, ...others].sort(),
  rollouts: rollouts.sort(),
});

/** Returns the effect on a cluster whose machines the customer brings: no object is for a node pool or a machine. */
const hosted = ({ changes, rollouts }: Effect): Effect => {
  const isHosted = (each: string) => !/^(pool|machines|bootstrap|health check) /.test(each);
  return { changes: changes.filter(isHosted), rollouts: rollouts.filter(isHosted) };
};

/** Changes with their effects. A function gives the effect on a type of provider. */
const changes: Record<string, [change: Change, effect: Effect | ((type: TranslatedType) => Effect)]> = {
  "the name of the cluster": [cluster({ name: "Other" }), only("cluster")],
  "its description": [cluster({ description: "Other" }), only("cluster")],
  "its environment": [
    cluster({ environment: "staging", environmentIdentity: "eeeeeeee-0000-4000-8000-000000000002" }),
    only("cluster", "control plane", ...POOLS),
  ],
  "its add-ons": [cluster({ addons: {} }), only("cluster")],
  "its delete protection": [cluster({ deleteProtection: true }), NOTHING],
  "its automatic upgrades": [cluster({ autoUpgrade: true, updateChannel: "v1.35" }), NOTHING],
  "its maintenance schedule": [
    cluster({ maintenanceScheduleIdentity: "ffffffff-0000-4000-8000-000000000001" }),
    NOTHING,
  ],
  "its credentials": [cluster({ cloudCredentialsIdentity: "ffffffff-0000-4000-8000-000000000002" }), NOTHING],
  "its settings of the autoscaler": [
    cluster({ clusterAutoscalerSettings: { "scale-down-unneeded-time": "5m" } }),
    NOTHING,
  ],
  "its high availability": [cluster({ highlyAvailable: false }), only("control plane", "health check control plane")],
  "its pod security standard": [
    cluster({ podSecurityStandardsProfile: "baseline" }),
    (type) => rolling(["control plane"], ...(type === "byon" ? ["control plane configuration"] : [])),
  ],
  "the encryption of its network": [
    cluster({ enableNetworkEncryption: false }),
    (type) => only("network", ...(type === "aws" ? ["infrastructure"] : [])),
  ],
  "its requested version": [cluster({ version: NEWER }), only("cluster")],
  "the version of its control plane": [
    (input) => ({ ...input, release: releaseOf(input.type, NEWER) }),
    (type) => rolling(["control plane"], ...(type === "none" ? [] : ["machines control plane"])),
  ],
  "the build of the version of its control plane": [
    withImage,
    (type) => (["none", "byon"].includes(type) ? NOTHING : rolling(["control plane"], "machines control plane")),
  ],
  "the client of its API server": [
    (input) => ({ ...input, oidc: { issuer: "https://id.example.com", clientId: "other" } }),
    rolling(["control plane"]),
  ],
  "its running state": [
    (input) => ({ ...input, isRunning: false }),
    (type) => only(...(type === "byon" ? ["control plane"] : POOLS)),
  ],
  "its first availability": [
    (input) => ({ ...input, rollout: { ...input.rollout, wasAvailable: false } }),
    (type) =>
      only(
        "health check control plane",
        "health check data",
        "health check web",
        ...(type === "hetzner" ? ["repair"] : []),
      ),
  ],
  "the name of a pool": [pool({ name: "other" }), only("pool web")],
  "its labels": [pool({ labels: { team: "other" } }), only("pool web")],
  "its annotations": [pool({ annotations: { note: "other" } }), only("pool web")],
  "its taints": [pool({ taints: [{ key: "a", effect: "NoExecute" }] }), rolling(["pool web"], "bootstrap web")],
  "its node size": [
    (input) => pool({ nodeSize: input.nodePools[1]?.pool.nodeSize ?? "" })(input),
    (type) =>
      type === "none"
        ? only("pool web")
        : rolling(["pool web"], "machines web", ...(type === "azure" ? ["bootstrap web"] : [])),
  ],
  "its smallest size": [pool({ minSize: 4 }), only("pool web")],
  "its largest size": [pool({ maxSize: 40 }), only("pool web")],
  "its autoscaling": [pool({ autoScaling: false, maxSize: 3 }), only("pool web")],
  "its replacement of nodes": [pool({ enableNodeAutoReplacement: false }), only("health check web")],
  "its reboots": [pool({ enableNodeReboots: false }), only("pool web")],
  "its upgrade strategy": [
    (input) => poolVersion(VERSION)(pool({ upgradeStrategy: "INPLACE" })(input)),
    only("pool web"),
  ],
  "its security updates": [pool({ securityUpdatesOnJoin: "INSTALL" }), NOTHING],
  "its version": [
    poolVersion(NEWER),
    (type) =>
      rolling(
        ["pool web"],
        ...(type === "none" ? [] : ["machines web"]),
        ...(type === "azure" ? ["bootstrap web"] : []),
      ),
  ],
  "the number of pools": [
    (input) => ({ ...input, nodePools: input.nodePools.slice(1) }),
    only("pool web", "machines web", "bootstrap web", "health check web"),
  ],
};

describe.each(translatedTypes)("a full cluster of %s", (type) => {
  const before = exampleOf(type, "full");

  test.each(Object.entries(changes))(
    "a change of %s has exactly the expected effect on objects",
    (_, [change, effect]) => {
      const expected = typeof effect === "function" ? effect(type) : effect;
      expect(effectOf(before, change(before))).toEqual(type === "byon" ? hosted(expected) : expected);
    },
  );

  test("another IP whitelist changes the infrastructure of a provider that can filter, and replaces no machine", () => {
    // On azure, only clusters with an internal load balancer can.
    const settings = type === "azure" ? { ...before.settings, internalLoadBalancer: true } : before.settings;
    const filtering: TranslationInput = { ...before, settings };
    const after = cluster({ ipWhitelist: [{ cidr: "198.51.100.0/24", description: "" }] })(filtering);
    const canFilter = type !== "none" && abilitiesOf(type, settings).ipWhitelist;
    expect(effectOf(filtering, after)).toEqual(
      canFilter ? only(type === "byon" ? "control plane" : "infrastructure") : NOTHING,
    );
  });

  test("other credentials change only Secrets and identities, whose names stay", () => {
    const hasNone = ["none", "byon", "digitalocean"].includes(type);
    expect(effectOf(before, before, "other")).toEqual(hasNone ? NOTHING : only("credentials"));
    const names = (salt: string) => translateAll(before, salt).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names("other")).toEqual(names("example"));
  });

  test("another controlPlaneNodeSize replaces only control plane machines", () => {
    const controlPlaneNodeSize = [...before.nodeTypes.keys()].at(-1);
    const after = { ...before, settings: { ...before.settings, controlPlaneNodeSize } } as TranslationInput;
    const hasMachines = type !== "none" && type !== "byon";
    const expected = hasMachines ? rolling(["control plane"], "machines control plane") : NOTHING;
    expect(effectOf(before, after)).toEqual(expected);
  });
});

/** Returns a configuration whose Cluster was observed: its objects were applied before. */
const observed = (input: TranslationInput): TranslationInput => {
  const [found] = translateAll(input).filter(({ kind }) => kind === "Cluster");
  return { ...input, rollout: { ...input.rollout, zones: observedZones(found) } };
};

/** Configuration after the operator changed the zones of the region: one is new and first, and the others are in another order. */
const withOtherZones = (input: TranslationInput): TranslationInput => {
  const { settings, zones } = input;
  const hasLocations = "locations" in settings && settings.locations.length > 0;
  return {
    ...input,
    zones: ["zone-0", ...zones.toReversed()],
    settings: hasLocations ? { ...settings, locations: ["hel1", input.cluster.region] } : settings,
  };
};

describe.each(translatedTypes)("other zones in the catalogue and in the profile file, on %s", (type) => {
  const effectOn = (input: TranslationInput) => effectOf(input, withOtherZones(input));

  test.each(["minimal", "full"] as const)("replace no machine of a %s cluster that exists", (name) => {
    // A new zone of azure is excluded from the control plane of a cluster with one zone.
    const expected = type === "azure" && name === "minimal" ? only("infrastructure") : NOTHING;
    expect(effectOn(observed(exampleOf(type, name)))).toEqual(expected);
  });

  test("apply to a new cluster, where it uses zones", () => {
    const usesZones = ["aws", "azure", "openstack", "hetzner", "vsphere"].includes(type);
    expect(effectOn(exampleOf(type, "full")).changes.includes("pool web")).toBe(usesZones);
  });
});

const EXAMPLE = join(import.meta.dirname, "../../../../docs/examples/cluster-api-profiles.yaml");

/** Returns the mark of each setting of a provider in the example of a profile file: what a change does to clusters. */
function marksOf(type: TranslatedType): [setting: string, mark: string | undefined][] {
  const [, providers = ""] = readFileSync(EXAMPLE, "utf8").split("\nproviders:\n");
  const section = providers.split(/\n(?= {2}\w+:)/).find((text) => text.includes(`  ${type}:`)) ?? "";
  return Object.keys(settingsByType[type].entries).map((setting) => {
    const [before = ""] = section.split(new RegExp(`[\\s{]${setting}:`));
    return [setting, [...before.matchAll(/\[(fixed|machines|control planes|nodes|in place|new)\]/g)].at(-1)?.[1]];
  });
}

/** Returns another value of a setting. */
function otherValue(value: unknown): unknown {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  if (Array.isArray(value)) return [...value, "10.98.0.0/24"];
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, otherValue(each)]));
  return typeof value === "string" && value.includes("/") && /^[0-9]/.test(value) ? "10.97.0.0/24" : `${value}x`;
}

describe.each(translatedTypes.filter((type) => type !== "none"))(
  "the marks of the example's settings of %s",
  (type) => {
    const before = observed(exampleOf(type, "full"));

    test.each(marksOf(type))("%s is marked with its effect on clusters: %s", (setting, mark) => {
      const present = (before.settings as Record<string, unknown>)[setting];
      const value = setting === "controlPlaneNodeSize" ? [...before.nodeTypes.keys()].at(-1) : otherValue(present);
      const settings = { ...before.settings, [setting]: value } as TranslationInput["settings"];
      const { changes: changed, rollouts } = effectOf(before, { ...before, settings });
      const expected: Record<string, string[] | undefined> = {
        machines: ["control plane", ...POOLS].sort(),
        "control planes": ["control plane"],
        nodes: POOLS,
        "in place": [],
        new: [],
      };
      expect(mark).toBeDefined();
      if (mark !== "fixed") expect(rollouts).toEqual(expected[mark ?? ""]);
      if (mark === "new") expect(changed).toEqual([]);
    });
  },
);

describe("a cluster on vSphere", () => {
  const before = exampleOf("vsphere", "full");

  test("another fingerprint of the vCenter changes only the infrastructure, so a renewed certificate replaces no machine", () => {
    const settings = { ...before.settings, thumbprint: Array(20).fill("CD").join(":") };
    expect(effectOf(before, { ...before, settings })).toEqual(only("infrastructure"));
  });
});
