import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import {
  catalogueWithImages,
  generousProfiles,
  limitedProvisioner,
  WITHOUT_IMAGE,
} from "#test/support/limited-provisioner.ts";
import { makeReconciledWorld, type ReconciledWorld } from "#test/support/reconciling.ts";
import type { Tenant } from "#test/support/world.ts";

let world: ReconciledWorld;
let tenant: Tenant;

const DAY_MS = 24 * 60 * 60_000;
const TARGET = "v1.34.4-u-ame.2";

beforeEach(async () => {
  useCatalogue(catalogueWithImages());
  const provisioner = limitedProvisioner();
  provisioner.use(generousProfiles("00000000-0000-4000-8000-000000000001"));
  world = await makeReconciledWorld({ provisioner, resyncMs: DAY_MS / 4 });
  tenant = await world.tenant();
});
// The catalogue belongs to the process, which the test files of a worker share.
afterAll(() => useCatalogue(shippedCatalogue));

const send = (method: string, path: string, body?: unknown) => world.send(method, path, { token: tenant.admin, body });
const upgrades = () => `/api/v1/orgs/${tenant.slug}/scheduled-cluster-upgrades`;

/** Creates a cluster with an older version than the newest one with an image. @returns its identity */
async function create(more: Record<string, unknown> = {}): Promise<string> {
  const response = await send(
    "POST",
    tenant.path("production"),
    tenant.creation({ version: "v1.34.3-u-ame.1", ...more }),
  );
  expect(response.status, response.text).toBe(200);
  await world.settle();
  return response.body.identity;
}

describe("a scheduled upgrade to a version without a machine image", () => {
  test("is refused when it is requested", async () => {
    const clusterIdentity = await create();
    const refused = await send("POST", upgrades(), { clusterIdentity, version: WITHOUT_IMAGE });
    expect(refused.status, refused.text).toBe(400);
    expect(refused.body.details).toEqual([
      expect.stringMatching(/^version: "v1.34.4-u-ame.1" is not allowed: the platform has no machine image/),
    ]);
    const accepted = await send("POST", upgrades(), { clusterIdentity, version: TARGET });
    expect(accepted.status, accepted.text).toBe(200);
  });

  test("is FAILED with the reason if the image was removed after the request", async () => {
    const clusterIdentity = await create();
    const request = { clusterIdentity, version: TARGET, ignoreMaintenanceSchedule: true };
    const { identity } = (await send("POST", upgrades(), request)).body;
    useCatalogue(catalogueWithImages(TARGET));
    await world.settle(3 * DAY_MS);
    expect((await send("GET", `${upgrades()}/${identity}`)).body).toMatchObject({
      status: "FAILED",
      reason: expect.stringMatching(/^Version "v1.34.4-u-ame.2" is not allowed: the platform has no machine image/),
    });
  });

  test("is not planned automatically, and follows when there is an image", async () => {
    useCatalogue(catalogueWithImages(TARGET));
    const clusterIdentity = await create({
      enableAutoUpgrade: true,
      updateChannel: "v1.34",
      maintenanceScheduleIdentity: tenant.schedule.identity,
    });
    const list = async () => (await send("GET", `${upgrades()}?clusterIdentity=${clusterIdentity}`)).body.content;
    await world.settle(9 * DAY_MS);
    expect(await list()).toEqual([]);
    useCatalogue(catalogueWithImages());
    await world.settle(9 * DAY_MS);
    expect(await list()).toMatchObject([{ status: "SUCCEEDED" }]);
  });
});
