/** Observations of node pools that consist of several MachineDeployments, one for each zone. */

import { expect, test } from "vitest";
import type { NodePool } from "#core/node-pool/entity.ts";
import { NODE_POOL_ID, VERSION } from "#core/provisioning/cluster-api/labels.ts";
import { observationOf } from "#core/provisioning/cluster-api/observation.ts";
import type { ObservedDeployment } from "#core/provisioning/cluster-api/observed-objects.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";

const OLD = "v1.33.4-u-ame.2";
const NEW = "v1.34.4-u-ame.2";

/** Part of a pool in one zone whose machines all have its version. */
const part = (pool: string, zone: string, version: string): ObservedDeployment => ({
  metadata: {
    name: `web-${zone}`,
    generation: 1,
    labels: { [NODE_POOL_ID]: pool },
    annotations: { [VERSION]: version },
  },
  spec: { replicas: 1 },
  status: { observedGeneration: 1, replicas: 1, upToDateReplicas: 1, availableReplicas: 1 },
});

/** Observes a pool whose parts have the given versions. */
function observePool(versions: readonly string[], runningVersion?: string) {
  const { cluster, nodePools } = exampleOf("none", "minimal");
  const [planned] = nodePools;
  if (planned === undefined) throw new Error("the example has no node pool");
  const { runningVersion: _, ...rest } = planned.pool;
  const pool: NodePool = { ...rest, ...(runningVersion === undefined ? {} : { runningVersion }) };
  const deployments = versions.map((version, zone) => part(pool.identity, String(zone), version));
  const objects = {
    cluster: { metadata: { name: "one" } },
    controlPlane: undefined,
    deployments,
    machineSets: undefined,
    certificateAuthority: undefined,
  };
  return observationOf({ cluster, nodePools: [pool] }, objects, false, "2026-11-28T00:00:00.000Z").nodePools[0];
}

test.each([
  ["the first part is upgraded", [NEW, OLD, OLD]],
  ["the first part is not upgraded", [OLD, NEW, NEW]],
])("a pool whose parts have different versions has the oldest one and is not ready, if %s", (_, versions) => {
  expect(observePool(versions)).toMatchObject({ version: OLD, state: "pending", nodes: 3 });
  expect(observePool(versions, NEW)).toMatchObject({ version: OLD, state: "pending" });
  expect(observePool(versions, "v1.32.4-u-ame.2")).toMatchObject({ version: "v1.32.4-u-ame.2", state: "pending" });
});

test("a pool whose parts all have one version is ready and has it", () => {
  expect(observePool([NEW, NEW], OLD)).toMatchObject({ version: NEW, state: "ready", nodes: 2 });
});
