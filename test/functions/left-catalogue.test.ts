import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import type { CatalogueData } from "#core/catalogue/schema.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import type { Json, Tenant, TestResponse } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;

const VERSION = "v1.34.4-u-ame.2";
const POOL = { name: "web", nodeSize: "t3.medium", availabilityZone: "eu-west-1b", minSize: 2 };

beforeAll(async () => {
  world = await makeConfiguredWorld();
});
beforeEach(async () => {
  tenant = await world.tenant();
  const creation = tenant.creation({ version: VERSION, updateChannel: "v1.34", nodePools: [POOL] });
  const response = await send("POST", tenant.path("production"), creation);
  expect(response.status, response.text).toBe(200);
  await world.settle();
});
// The catalogue belongs to the process, which the test files of a worker share.
afterEach(() => useCatalogue(shippedCatalogue));
afterAll(() => world.stop());

const send = (method: string, path: string, body?: unknown, headers = {}) =>
  world.send(method, path, { token: tenant.admin, body, headers });
const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const shown = async (): Promise<Json> => (await send("GET", `${at()}?show-compute=true`)).body;
const pools = async (): Promise<Json[]> => (await send("GET", at("pools"))).body;

type Provider = CatalogueData["providers"][number];

/** Replaces the catalogue by a changed copy. */
function change(edit: (content: CatalogueData, aws: Provider) => void): void {
  const content = structuredClone(shippedCatalogue);
  const aws = content.providers.find(({ slug }) => slug === "aws");
  if (aws === undefined) throw new Error("the catalogue has no provider aws");
  edit(content, aws);
  useCatalogue(content);
}

function expectRefused(response: TestResponse, ...details: (string | RegExp)[]): void {
  expect(response.status, response.text).toBe(400);
  expect(response.body.details).toEqual(details.map((each) => expect.stringMatching(each)));
}

/** Everything of which a cluster can be, in two ways of leaving the catalogue. */
const departures: Record<string, (content: CatalogueData, aws: Provider) => void> = {
  "its provider left the catalogue": (content, aws) => content.providers.splice(content.providers.indexOf(aws), 1),
  "its provider is unavailable": (_, aws) => Object.assign(aws, { available: false }),
  "its region left the catalogue": (_, aws) => aws.regions.splice(0, 1),
  "its region is unavailable": (_, aws) => Object.assign(aws.regions[0] ?? {}, { available: false }),
  "its zone left the catalogue": (_, aws) => delete aws.regions[0]?.zones[2],
  "its zone is unavailable": (_, aws) => Object.assign(aws.regions[0] ?? {}, { unavailableZones: ["eu-west-1b"] }),
  "its node type left the catalogue": (_, aws) => delete aws.nodeTypes["t3.medium"],
  "its node type is unavailable": (_, aws) => Object.assign(aws, { unavailableNodeTypes: ["t3.medium"] }),
  "its version left the catalogue": (content) => {
    content.versions = content.versions.filter(({ version }) => version !== VERSION);
    content.channels = content.channels.filter(({ version }) => version !== VERSION);
  },
  "its version is unavailable": (content) => {
    for (const row of [...content.versions, ...content.channels]) {
      if (row.version === VERSION) row.available = false;
    }
  },
};

describe.each(Object.entries(departures))("a cluster, after %s", (_, edit) => {
  test("stays readable and changeable in what does not depend on it", async () => {
    const before = await shown();
    const [pool] = await pools();
    change(edit);
    await expectInvariants(world.services, tenant.slug);
    const after = await shown();
    expect({ ...after, updateChannel: undefined }).toEqual({ ...before, updateChannel: undefined });
    expect(after.updateChannel).toMatchObject({ name: "v1.34", kubernetesClusterVersion: VERSION });
    expect(await pools()).toEqual([pool]);
    expect((await send("GET", tenant.path("production"))).body.content).toHaveLength(1);
    for (const path of ["cloud-accounts", `cloud-accounts/${tenant.account.identity}`, "cloud-profiles"]) {
      const response = await send("GET", `/api/v1/orgs/${tenant.slug}/${path}`);
      expect(response.status, response.text).toBe(200);
    }
    const same = await send("PATCH", at(), { version: VERSION, updateChannel: "v1.34", description: "changed" });
    expect(same.status, same.text).toBe(200);
    const resized = await send("PUT", at("pools", pool.identity), { ...pool, minSize: 3, maxSize: 3 });
    expect([resized.status, resized.body.minSize], resized.text).toEqual([200, 3]);
    expect((await send("GET", at("upgrades"))).status).toBe(200);
    await world.settle();
    expect((await shown()).status).toBe("started");
    expect((await send("GET", at("pools", String(pool.id), "join-config"))).status).toBe(200);
    await expectInvariants(world.services, tenant.slug);
    expect((await send("DELETE", at("pools", pool.identity))).status).toBe(204);
    await world.settle();
    await expectInvariants(world.services, tenant.slug);
    expect((await send("PATCH", at(), { status: "deleting" })).status).toBe(200);
    await world.settle();
    expect((await send("GET", at())).status).toBe(404);
  });
});

describe("what left the catalogue is refused for new uses", () => {
  const create = (more = {}) => send("POST", tenant.path("production"), tenant.creation({ name: "two", ...more }));
  const addPool = (more = {}) => send("POST", at("pools"), { name: "new", nodeSize: "t3.large", ...more });

  test("a provider", async () => {
    change(departures["its provider is unavailable"] ?? (() => {}));
    const account = `cloudAccountIdentity: "${tenant.account.identity}" is not allowed: `;
    expectRefused(await create(), `^${account}Amazon Web Services is not available for new clusters$`);
    change(departures["its provider left the catalogue"] ?? (() => {}));
    expectRefused(await create(), `^${account}the provider of the cloud account ".*" is not offered any more$`);
    expectRefused(
      await addPool(),
      /^nodeSize: "t3.large" is not allowed: must be a node type of aws: none is available$/,
    );
  });

  test("a region", async () => {
    for (const how of ["its region is unavailable", "its region left the catalogue"]) {
      change(departures[how] ?? (() => {}));
      expectRefused(
        await create(),
        /^region: "eu-west-1" is not allowed: must be a region of Amazon Web Services: eu-ce/,
      );
    }
    expectRefused(
      await addPool({ availabilityZone: "eu-west-1a" }),
      /^availabilityZone: .* of eu-west-1: none is available$/,
    );
    expect((await addPool()).status).toBe(200);
  });

  test("a zone and a node type, which lists no longer show", async () => {
    const listed = async (path: string) => (await send("GET", path)).text;
    const zones = `/api/v1/orgs/${tenant.slug}/cloud-providers/aws/regions/eu-west-1/availability-zones`;
    const types = "/api/v1/cloud-providers/aws/nodetypes?pageSize=1000";
    expect([await listed(zones), await listed(types)].map((text) => /"eu-west-1b"|"t3.medium"/.test(text))).toEqual([
      true,
      true,
    ]);
    change((_, aws) => {
      aws.unavailableNodeTypes = ["t3.medium"];
      Object.assign(aws.regions[0] ?? {}, { unavailableZones: ["eu-west-1b"] });
    });
    expect([await listed(zones), await listed(types)].map((text) => /"eu-west-1b"|"t3.medium"/.test(text))).toEqual([
      false,
      false,
    ]);
    expectRefused(
      await addPool({ nodeSize: "t3.medium", availabilityZone: "eu-west-1b" }),
      /^nodeSize: "t3.medium" is not allowed: must be a node type of Amazon Web Services: t3.small, t3.large, .* and \d+ more$/,
      /^availabilityZone: "eu-west-1b" is not allowed: must be a zone of eu-west-1: eu-west-1a, eu-west-1c$/,
    );
  });

  test("a version and a channel", async () => {
    change(departures["its version left the catalogue"] ?? (() => {}));
    expectRefused(
      await create({ version: VERSION, updateChannel: "v1.34" }),
      /^updateChannel: "v1.34" is not allowed: must be one of v1.33, v1.35$/,
      /^version: "v1.34.4-u-ame.2" is not allowed: must be one of .*v1.34.4-u-ame.1/,
    );
    const back = await send("PATCH", at(), { version: "v1.34.4-u-ame.1" });
    expect(back.status, back.text).toBe(200);
  });

  test("a machine cannot join a cluster of a version whose software left the catalogue", async () => {
    change((content) => {
      content.versions = content.versions.filter(({ kubernetes }) => kubernetes !== "v1.34.4");
      content.channels = content.channels.filter(({ name }) => name !== "v1.34");
      delete content.checksums.kubelet["1.34.4"];
    });
    const refused = await send("GET", at("join-config"));
    expect([refused.status, refused.body.message]).toEqual([
      409,
      `No machine can join the cluster: the software of nodes of its version ${VERSION} is not offered any more; change the version first.`,
    ]);
  });

  test("a deleted cluster is not restored in a provider or region that left the catalogue", async () => {
    await send("PATCH", at(), { status: "deleting" });
    await finishDeletion(world.services, tenant.slug, "production", "one");
    const restore = async () => {
      const response = await send("POST", at("undelete"));
      expect(response.status, response.text).toBe(409);
      return response.body.details;
    };
    change(departures["its region left the catalogue"] ?? (() => {}));
    expect(await restore()).toEqual(["region: eu-west-1 is not available any more"]);
    change(departures["its provider is unavailable"] ?? (() => {}));
    expect(await restore()).toEqual(["cloudProvider: aws is not available any more"]);
    useCatalogue(shippedCatalogue);
    expect((await send("POST", at("undelete"))).status).toBe(200);
  });
});

test("the entity tag of a cluster changes with the catalogue, and If-Match of the earlier tag still holds", async () => {
  const tag = async () => (await send("GET", at())).headers.get("etag") ?? "";
  const before = await tag();
  expect((await send("GET", at(), undefined, { "if-none-match": before })).status).toBe(304);
  change((_, aws) => Object.assign(aws, { unavailableNodeTypes: ["t3.medium"] }));
  expect(await tag()).not.toBe(before);
  expect((await send("GET", at(), undefined, { "if-none-match": before })).status).toBe(200);
  const changed = await send("PATCH", at(), { description: "changed" }, { "if-match": before });
  expect(changed.status, changed.text).toBe(200);
});
