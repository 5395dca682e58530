import { expect, test } from "vitest";
import { makeReconciledWorld, scanDue } from "#test/support/reconciling.ts";

/** Creates a started cluster with the health that a provisioner reports. @returns the delay until its next observation, in milliseconds */
async function delayWithHealth(health: string): Promise<number> {
  const world = await makeReconciledWorld({
    extend: (provisioner) => ({
      ...provisioner,
      observe: async (...given) => {
        const observation = await provisioner.observe(...given);
        return observation?.phase === "DONE" ? { ...observation, health } : observation;
      },
    }),
  });
  const tenant = await world.tenant();
  const path = tenant.path("production");
  const created = await world.send("POST", path, { token: tenant.admin, body: tenant.creation() });
  expect(created.status, created.text).toBe(200);
  await world.settle(60_000);
  const now = world.services.clock().getTime();
  const [due] = await scanDue(world, new Date(now + 24 * 60 * 60_000));
  return Date.parse(due?.dueAt ?? "") - now;
}

test("a started cluster that is degraded is observed again within a minute", async () => {
  expect(await delayWithHealth("degraded")).toBeLessThanOrEqual(60_000);
});

test("a started cluster that is available is observed again after half an hour or later", async () => {
  expect(await delayWithHealth("available")).toBeGreaterThan(25 * 60_000);
});
