/** Zones of clusters whose region gets other zones, against a fake management cluster. */

import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { CLUSTER, MACHINE_DEPLOYMENT } from "#core/provisioning/cluster-api/kinds.ts";
import { CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import type { SettingsOf } from "#core/provisioning/cluster-api/profile.ts";
import { settingsOf } from "#core/provisioning/cluster-api/profiles.ts";
import { PROVIDER_VERSION } from "#core/provisioning/cluster-api/versions.ts";
import { reconcileAll } from "#core/provisioning/work-queue.ts";
import { listIn } from "#test/support/cluster-api/fake-world.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import { generousProfiles } from "#test/support/limited-provisioner.ts";
import type { Json } from "#test/support/world.ts";

const { region, nodeSize } = PLACES.hetzner;
const profiles = generousProfiles(randomUUID());

let managed: ManagedWorld;

beforeAll(async () => {
  managed = await makeManagedWorld(profiles);
});
afterAll(async () => {
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

/** Creates a cluster in several locations, and applies its objects. */
async function create(name: string): Promise<Json> {
  const cluster = await managed.create({
    name,
    cloudAccountIdentity: await managed.account("hetzner"),
    region,
    version: "v1.34.4-u-ame.2",
    enableMultiAvailabilityZones: true,
    nodePools: [{ name: "web", nodeSize, minSize: 3 }],
  });
  await reconcileAll(managed.world.reconciler, [cluster.identity], 1);
  return cluster;
}

/** Returns the locations of a cluster's control plane and of its nodes in the management cluster. */
function locationsOf({ identity }: Json) {
  const ofCluster = ({ metadata }: Json) => metadata.labels[CLUSTER_ID] === identity;
  const [infrastructure] = listIn(managed.world, PROVIDER_VERSION.hetzner, "HetznerCluster").filter(ofCluster);
  const pools = listIn(managed.world, MACHINE_DEPLOYMENT.apiVersion, MACHINE_DEPLOYMENT.kind).filter(ofCluster);
  return {
    controlPlane: infrastructure.spec.controlPlaneRegions,
    nodes: pools.map(({ metadata, spec }) => `${metadata.name.at(-1)} ${spec.template.spec.failureDomain}`).sort(),
  };
}

const timeOfApply = ({ identity }: Json): string =>
  listIn(managed.world, CLUSTER.apiVersion, CLUSTER.kind).find(
    ({ metadata }) => metadata.labels[CLUSTER_ID] === identity,
  ).metadata.annotations["ame-clusters/applied"];

test("a cluster keeps its locations when the profile file gets others, which only new clusters use", async () => {
  const kept = await create("kept");
  const before = locationsOf(kept);
  expect(before).toEqual({ controlPlane: ["fsn1", "nbg1", "hel1"], nodes: ["0 fsn1", "1 nbg1", "2 hel1"] });
  const applied = timeOfApply(kept);

  const settings = settingsOf(profiles, "hetzner", region) as SettingsOf<"hetzner">;
  settings.locations = ["hel1", "fsn1"];
  managed.world.advanceClock(61 * 60_000);
  await reconcileAll(managed.world.reconciler, [kept.identity], 1);
  expect(timeOfApply(kept)).not.toBe(applied);
  expect(locationsOf(kept)).toEqual(before);
  expect(locationsOf(await create("later"))).toEqual({
    controlPlane: ["hel1", "fsn1"],
    nodes: ["0 hel1", "1 fsn1"],
  });
});
