import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { repairUsage } from "#core/admin/usage-repair.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { keyText, usageKey } from "#core/table/keys.ts";
import { runAdmin } from "#test/support/admin.ts";
import { interrupt } from "#test/support/faults.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { makeScene, type Scene } from "#test/support/operating.ts";

let scene: Scene;

beforeEach(async () => {
  scene = await makeScene({ provisioner: { ...simulatedTraits, needsCredentials: () => true } });
  await scene.create({ maintenanceScheduleIdentity: scene.tenant.schedule.identity });
  await scene.ask("deleting");
  await scene.create({ name: "two" });
});

const account = () => usageKey(scene.tenant.slug, scene.tenant.account.identity);

/** Changes attributes of the account's number. */
async function change(attributes: Record<string, unknown>): Promise<void> {
  const item = (await scene.world.table.get([account()])).get(keyText(account()));
  const { client, name } = scene.world.table;
  const present = Object.entries({ ...item, ...attributes }).filter(([, value]) => value !== undefined);
  await client.send(new PutCommand({ TableName: name, Item: Object.fromEntries(present) }));
}

const repair = () => repairUsage(scene.world.services, scene.tenant.slug);

describe("usage repair", () => {
  test("numbers that agree with the clusters stay, also while a cluster is being deleted", async () => {
    expect(await repair()).toEqual([]);
  });

  test.each([
    { clusters: 3, deletingClusters: 2 },
    { clusters: 0, deletingClusters: 0 },
  ])("the number $clusters, of which $deletingClusters are deleting, is corrected", async (is) => {
    await change(is);
    const identity = scene.tenant.account.identity;
    expect(await repair()).toEqual([{ identity, is, should: { clusters: 2, deletingClusters: 1 } }]);
    await expectInvariants(scene.world.services, scene.tenant.slug);
  });

  test("a number without deleting clusters, as an older release stored it, is corrected", async () => {
    await change({ clusters: 7, deletingClusters: undefined });
    expect(await repair()).toHaveLength(1);
    await expectInvariants(scene.world.services, scene.tenant.slug);
  });

  test("a number that changes during the repair stays as it is", async () => {
    await change({ clusters: 5 });
    const slow = scene.world.sibling();
    interrupt(slow.table, () => change({ clusters: 6 }));
    expect(await repairUsage({ ...scene.world.services, table: slow.table }, scene.tenant.slug)).toEqual([]);
    expect(await repair()).toMatchObject([{ is: { clusters: 6 } }]);
  });

  test("the command prints what it corrected", async () => {
    await change({ clusters: 9 });
    const environment = { DYNAMODB_ENDPOINT: inject("endpoint"), TABLE_NAME: scene.world.table.name };
    const { code, stdout } = await runAdmin(environment, "usage", "repair", "--org", scene.tenant.slug);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, [{ is: { clusters: 9 }, should: { clusters: 2 } }]]);
    expect((await runAdmin(environment, "usage", "repair", "--org", "nobody")).code).toBe(1);
  });
});
