import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import {
  type ManagedWorld,
  makeManagedWorld,
  PLACES,
  type PlacedProvider,
} from "#test/support/cluster-api/managed-world.ts";
import { catalogueWithImages } from "#test/support/limited-provisioner.ts";
import { type Json, makeWorld, type TestResponse } from "#test/support/world.ts";

const ASKED = "dryRun=true&includeManifests=true";
/** Identity in place of that of a cluster which does not exist. */
const NIL = "00000000-0000-0000-0000-000000000000";

let managed: ManagedWorld;
let hetzner: string;
/** Pool of the cluster on hetzner, which is started. */
let web: Json;

const at = (...rest: string[]) => [managed.tenant.path("production", "shop"), ...rest].join("/");
const NODE_POOLS = [
  { name: "web", nodeSize: "cx33", minSize: 2, labels: { tier: "front" } },
  { name: "jobs", nodeSize: "cx33", autoScaling: true, minSize: 1, maxSize: 3 },
];
const creation = (more: Json = {}) =>
  managed.tenant.creation({
    name: "Shop",
    cloudAccountIdentity: hetzner,
    region: "fsn1",
    version: "v1.33.4-u-ame.2",
    nodePools: NODE_POOLS,
    ...more,
  });

beforeAll(async () => {
  managed = await makeManagedWorld();
  hetzner = await managed.account("hetzner");
  await managed.create(creation());
  await managed.world.settle(20 * 60_000);
  expect((await managed.send("GET", at())).body.status).toBe("started");
  [web] = (await managed.send("GET", at("pools"))).body;
});
afterAll(async () => {
  await managed.world.stop();
  // The catalogue belongs to the process, which the test files of a worker share.
  useCatalogue(shippedCatalogue);
});

const ask = (method: string, path: string, body: unknown, token = managed.tenant.admin): Promise<TestResponse> =>
  managed.send(method, `${path}?${ASKED}`, body, { token });

async function manifestsOf(method: string, path: string, body: unknown): Promise<Json[]> {
  const response = await ask(method, path, body);
  expect(response.status, response.text).toBe(200);
  expect(response.body.consequences).toBeInstanceOf(Array);
  return response.body.manifests;
}

const ofKind = (manifests: Json[], kind: string): Json[] => manifests.filter((each) => each.kind === kind);
const nameOf = ({ kind, metadata }: Json): string => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;

/** Lists the objects that the reconciler applied for a cluster, with those of its account and the namespace of its organisation. */
function appliedFor(cluster: string, account: string): Json[] {
  const labels = ({ metadata }: Json): Record<string, string> => metadata.labels ?? {};
  return (
    managed.world.server.store
      .all()
      .filter(({ owners }) => owners.some(({ manager }) => manager === "ame-control-plane"))
      .map(({ object }): Json => object)
      // Allocated addresses are no objects of a cluster.
      .filter(({ metadata }) => metadata.namespace !== "ame-api-addresses")
      .filter(
        (each) =>
          (each.kind === "Namespace" && labels(each)["ame-clusters/organisation-id"] === managed.tenant.identity) ||
          labels(each)["ame-clusters/cluster-id"] === cluster ||
          labels(each)["ame-clusters/cloud-account-id"] === account,
      )
  );
}

/** Returns an object of which each redacted text matches any text. */
function withAnyText(value: Json): Json {
  if (value === "REDACTED") return expect.any(String);
  if (Array.isArray(value)) return value.map(withAnyText);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withAnyText(each)]));
}

describe("a dry run with includeManifests of an admin", () => {
  const providers = Object.keys(PLACES) as PlacedProvider[];
  test.each(providers)(
    "a change without effect of a cluster on %s shows the objects that the reconciler applied, without secrets",
    async (provider) => {
      const { region, nodeSize } = PLACES[provider];
      const nodePools = [{ name: "web", nodeSize, minSize: 2 }];
      const name = `all-${provider}`;
      const cloudAccountIdentity = await managed.account(provider);
      const { identity } = await managed.create({ name, cloudAccountIdentity, region, nodePools });
      await managed.world.settle(20 * 60_000);
      const path = managed.tenant.path("production", name);
      expect((await managed.send("GET", path)).body.status).toBe("started");

      const manifests = await manifestsOf("PATCH", path, {});
      const applied = appliedFor(identity, cloudAccountIdentity);
      expect(applied.length).toBeGreaterThan(2);
      expect(manifests.map(nameOf).sort()).toEqual(applied.map(nameOf).sort());
      for (const manifest of manifests) {
        const { data, ...stored } = applied.find((each) => nameOf(each) === nameOf(manifest));
        const { data: shown, ...rest } = manifest;
        // The API server adds defaults, and stores no API version.
        expect({ ...stored, apiVersion: manifest.apiVersion }).toMatchObject(withAnyText(rest));
        if (manifest.kind !== "Secret") continue;
        expect(Object.keys(shown)).toEqual(Object.keys(data));
        expect(new Set(Object.values(shown))).toEqual(new Set(["REDACTED"]));
      }
      expect(JSON.stringify(manifests)).toContain("oidc-client-id");
    },
  );

  test("objects are in the order of application: each follows those that it refers to", async () => {
    const kinds = (await manifestsOf("PATCH", at(), {})).map(({ kind }) => kind);
    const order = [
      "Namespace",
      "Secret",
      "HCloudMachineTemplate",
      "KubeadmControlPlane",
      "Cluster",
      "MachineDeployment",
    ];
    const positions = order.map((kind) => [kinds.indexOf(kind), kinds.lastIndexOf(kind)]);
    expect(positions.flat()).toEqual(positions.flat().toSorted((one, other) => one - other));
    expect(positions[0]).toEqual([0, 0]);
  });

  test("a change of the version shows the control plane at the new version and the nodes at the present one", async () => {
    const manifests = await manifestsOf("PATCH", at(), { version: "v1.34.4-u-ame.2" });
    expect(ofKind(manifests, "KubeadmControlPlane").map(({ spec }) => spec.version)).toEqual(["v1.34.4"]);
    const versions = ofKind(manifests, "MachineDeployment").map(({ spec }) => spec.template.spec.version);
    expect(versions).toEqual(["v1.33.4", "v1.33.4"]);
    expect((await managed.send("GET", at())).body.version).toBe("v1.33.4-u-ame.2");
  });

  test("a deletion shows no objects, because the provisioner removes them", async () => {
    expect(await manifestsOf("PATCH", at(), { status: "deleting" })).toEqual([]);
  });

  test("a creation shows objects with fixed identities in place of those that the server would generate, and creates nothing", async () => {
    const body = creation({ name: "New" });
    const manifests = await manifestsOf("POST", managed.tenant.path("production"), body);
    expect(await manifestsOf("POST", managed.tenant.path("production"), body)).toEqual(manifests);
    const [made] = ofKind(manifests, "Cluster");
    expect(made.metadata.labels["ame-clusters/cluster-id"]).toBe(NIL);
    expect(made.metadata.name).toMatch(/^new-[a-z2-7]{8}$/);
    const deployments = ofKind(manifests, "MachineDeployment");
    expect(new Set(deployments.map(({ metadata }) => metadata.labels["ame-clusters/node-pool-id"]))).toEqual(
      new Set([NIL.replace(/0$/, "1"), NIL.replace(/0$/, "2")]),
    );
    expect((await managed.send("GET", managed.tenant.path("production", "new"))).status).toBe(404);
  });

  test("a new node pool shows its objects beside those of the others", async () => {
    const before = await manifestsOf("PATCH", at(), {});
    const after = await manifestsOf("POST", at("pools"), { name: "new", nodeSize: "cx33", minSize: 4, maxSize: 4 });
    const names = new Set(before.map(nameOf));
    const added = after.filter((each) => !names.has(nameOf(each)));
    expect(new Set(added.map(({ kind }) => kind))).toEqual(
      new Set(["HCloudMachineTemplate", "KubeadmConfigTemplate", "MachineDeployment", "MachineHealthCheck"]),
    );
    expect(ofKind(added, "MachineDeployment").map(({ spec }) => spec.replicas)).toEqual([4]);
    expect(after).toHaveLength(before.length + added.length);
  });

  test("a changed node pool shows the change, and nothing else changes", async () => {
    const before = await manifestsOf("PATCH", at(), {});
    const after = await manifestsOf("PUT", at("pools", `${web.id}`), { minSize: 7, maxSize: 7 });
    const changed = after.filter((each) => !before.some((other) => JSON.stringify(other) === JSON.stringify(each)));
    expect(changed.map(({ kind }) => kind)).toEqual(["MachineDeployment", "MachineHealthCheck"]);
    expect(changed[0].spec.replicas).toBe(7);
    expect(after.map(nameOf).sort()).toEqual(before.map(nameOf).sort());
  });

  test("the dialect of the published clients shows the same objects", async () => {
    const response = await ask("PATCH", `/acloud${at()}`, {});
    expect(response.status, response.text).toBe(200);
    expect(response.body.manifests).toEqual(await manifestsOf("PATCH", at(), {}));
  });

  test("a machine image that left the catalogue is a 400 that names the version, the provider and the region", async () => {
    useCatalogue(catalogueWithImages("v1.33.4-u-ame.2"));
    try {
      const response = await ask("PATCH", at(), {});
      expect(response.status, response.text).toBe(400);
      expect(response.body.details).toEqual([
        "includeManifests: the catalogue has no machine image of v1.33.4-u-ame.2 for hetzner in fsn1",
      ]);
    } finally {
      useCatalogue(catalogueWithImages(""));
    }
  });
});

describe("a caller who is not an admin of the environment", () => {
  const requests = (): [method: string, path: string, body: unknown][] => [
    ["POST", managed.tenant.path("production"), creation({ name: "New" })],
    ["PATCH", at(), {}],
    ["POST", at("pools"), { name: "new", nodeSize: "cx33" }],
    ["PUT", at("pools", `${web.id}`), { minSize: 7, maxSize: 7 }],
  ];

  test.each(["developer", "viewer"] as const)(
    "a %s gets a 403, also for a request with other problems",
    async (role) => {
      const { token } = await managed.tenant.person(role);
      for (const [method, path, body] of [...requests(), ["PATCH", at(), { version: 7 }] as const]) {
        const response = await ask(method, path, body, token);
        expect([response.status, response.body.details], `${method} ${path}`).toEqual([
          403,
          [expect.stringMatching(/role admin/)],
        ]);
      }
    },
  );

  test("a developer gets the result of a dry run without includeManifests, and with includeManifests=false", async () => {
    const { token } = await managed.tenant.person("developer");
    for (const query of ["dryRun=true", "dryRun=true&includeManifests=false"]) {
      for (const [method, path, body] of requests()) {
        const response = await managed.send(method, `${path}?${query}`, body, { token });
        expect(response.status, response.text).toBe(200);
        expect(response.body).not.toHaveProperty("manifests");
      }
    }
  });

  test("the role in the environment decides, not the one in the organisation", async () => {
    const admin = await managed.tenant.person("viewer", { production: "admin" });
    expect((await ask("PATCH", at(), {}, admin.token)).status).toBe(200);
    const developer = await managed.tenant.person("admin", { production: "developer" });
    expect((await ask("PATCH", at(), {}, developer.token)).status).toBe(403);
  });

  test("an admin of another organisation gets the same 403 as for an organisation that does not exist", async () => {
    const other = await managed.world.tenant();
    for (const [method, path, body] of requests()) {
      const response = await ask(method, path, body, other.admin);
      const nowhere = await ask(method, path.replaceAll(managed.tenant.slug, "nowhere"), body, other.admin);
      expect([response.status, nowhere.status]).toEqual([403, 403]);
      expect(response.text).toBe(nowhere.text.replaceAll("nowhere", managed.tenant.slug));
    }
  });
});

describe("a refused request", () => {
  test("includeManifests without dryRun is a 400, and nothing changes", async () => {
    const response = await managed.send("PATCH", `${at()}?includeManifests=true`, { name: "changed" });
    expect([response.status, response.body.details]).toEqual([
      400,
      ["includeManifests: true is not allowed: only a dry run shows objects; send dryRun=true too"],
    ]);
    expect((await managed.send("GET", at())).body.name).toBe("Shop");
  });

  test("another value than true and false is a 400", async () => {
    const response = await managed.send("PATCH", `${at()}?dryRun=true&includeManifests=yes`, {});
    expect([response.status, response.body.details]).toEqual([
      400,
      [expect.stringMatching(/^includeManifests: "yes" .*must be true or false/)],
    ]);
  });

  test("a server with the simulated provisioner answers an admin with a 400 that says why, and others with a 403", async () => {
    const world = await makeWorld();
    const tenant = await world.tenant();
    const body = tenant.creation();
    const path = `${tenant.path("production")}?${ASKED}`;
    const response = await world.send("POST", path, { token: tenant.admin, body });
    expect([response.status, response.body.details]).toEqual([
      400,
      [
        "includeManifests: true is not allowed: the provisioner of this server (simulated) makes no Kubernetes objects; leave it out",
      ],
    ]);
    const { token } = await tenant.person("developer");
    expect((await world.send("POST", path, { token, body })).status).toBe(403);
  });
});
