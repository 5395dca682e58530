import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { type AdminRun, runAdmin } from "#test/support/admin.ts";
import { type ManagedWorld, makeManagedWorld, PLACES } from "#test/support/cluster-api/managed-world.ts";
import { catalogueWithImages, PROFILE_FILE } from "#test/support/limited-provisioner.ts";
import { expectNoSecrets } from "#test/support/secrets.ts";
import type { Json } from "#test/support/world.ts";

/** Text that would change the title of a terminal, and would end a comment. */
const HOSTILE = "\u001b]0;title\u0007\nkind: Secret";

const folder = mkdtempSync(join(tmpdir(), "translate-"));
const profiles = join(folder, "profiles.json");
let managed: ManagedWorld;

beforeAll(async () => {
  writeFileSync(profiles, PROFILE_FILE);
  managed = await makeManagedWorld();
  const account = await managed.account("vsphere");
  await managed.create({
    name: "Shop",
    description: HOSTILE,
    cloudAccountIdentity: account,
    region: "datacenter-1",
    version: "v1.33.4-u-ame.2",
    nodePools: [{ name: "web", nodeSize: "medium", minSize: 2 }],
  });
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await managed.world.stop();
  // The catalogue belongs to the process, which the test files of a worker share.
  useCatalogue(shippedCatalogue);
});

/** Runs the command without any access to the management cluster. */
async function translate(
  cluster = "shop",
  more: Record<string, string> = {},
  org = managed.tenant.slug,
): Promise<AdminRun> {
  const environment = {
    DYNAMODB_ENDPOINT: inject("endpoint"),
    TABLE_NAME: managed.world.table.name,
    CLUSTER_API_PROFILES: profiles,
    ...more,
  };
  const made = managed.world.server.calls.length;
  const ran = await runAdmin(environment, "translate", "--org", org, "--env", "production", "--cluster", cluster);
  expect(managed.world.server.calls).toHaveLength(made);
  expectNoSecrets(ran.stdout + ran.stderr, "the output");
  return ran;
}

/** Returns the objects and the comments of an output. */
function read({ stdout }: AdminRun): { objects: Json[]; comments: string[] } {
  const documents = parseAllDocuments(stdout);
  expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
  const comments = [...stdout.matchAll(/^# (.*)$/gm)].map(([, text = ""]) => text);
  return { objects: documents.map((document) => document.toJS()).filter((each) => each !== null), comments };
}

async function dryRun(): Promise<Json[]> {
  const path = `${managed.tenant.path("production", "shop")}?dryRun=true&includeManifests=true`;
  const response = await managed.send("PATCH", path, {});
  expect(response.status, response.text).toBe(200);
  return response.body.manifests;
}

describe("npm run admin -- translate", () => {
  test("a cluster whose address is not allocated is printed with a placeholder and a comment, and a Secret with its keys", async () => {
    const ran = await translate();
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    const { objects, comments } = read(ran);
    expect(objects).toEqual(await dryRun());
    expect(comments).toEqual([
      expect.stringMatching(/^Cluster shop \([0-9a-f-]{36}\) in environment production of organisation org_/),
      expect.stringMatching(/^\d+ objects in the order of application\. Values of Secrets are redacted: do not apply/),
      expect.stringMatching(/^No address is allocated for the API server yet, so the objects have NOT-ALLOCATED-YET/),
      expect.stringMatching(/^No OIDC client is registered yet\./),
    ]);
    const vsphere = objects.find(({ kind }) => kind === "VSphereCluster");
    expect(vsphere.spec.controlPlaneEndpoint.host).toBe("NOT-ALLOCATED-YET");
    const [identity] = objects.filter(
      ({ kind, metadata }) => kind === "Secret" && metadata.namespace === "capv-system",
    );
    expect(identity.data).toEqual({ username: "REDACTED", password: "REDACTED" });
  });

  test("control characters and YAML syntax in user input are escaped in the output", async () => {
    const { stdout } = await translate();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal must not get
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    const [cluster] = read({ code: 0, stdout, stderr: "" }).objects.filter(({ kind }) => kind === "Cluster");
    expect(cluster.metadata.annotations["ame-clusters/description"]).toBe(HOSTILE);
  });

  test("a started cluster is printed with its address and its OIDC client, as an admin sees it in a dry run", async () => {
    await managed.world.settle(20 * 60_000);
    const found = await managed.send("GET", managed.tenant.path("production", "shop"));
    expect(found.body.status, found.text).toBe("started");
    const ran = await translate();
    const { objects, comments } = read(ran);
    expect([ran.code, comments.length]).toEqual([0, 2]);
    expect(objects).toEqual(await dryRun());
    const applied: Json[] = managed.world.server.store.all().map(({ object }) => object);
    const endpointIn = (found: Json[]) => found.find(({ kind }) => kind === "VSphereCluster").spec.controlPlaneEndpoint;
    expect(endpointIn(objects)).toEqual(endpointIn(applied));
    expect(JSON.stringify(objects)).toContain("oidc-client-id");
  });

  test("on azure, ids from the credentials are redacted too, and a comment says so", async () => {
    const { region, nodeSize } = PLACES.azure;
    const cloudAccountIdentity = await managed.account("azure");
    await managed.create({ name: "Azure", cloudAccountIdentity, region, nodePools: [{ name: "web", nodeSize }] });
    const { objects, comments } = read(await translate("azure"));
    expect(comments.at(-1)).toBe("Ids from the credentials of the cloud account are REDACTED too.");
    expect(objects.find(({ kind }) => kind === "AzureCluster").spec.subscriptionID).toBe("REDACTED");
  });

  test("an account without secrets is named in a comment", async () => {
    const account = { displayName: "No secrets", cloudProfile: "vsphere", credentials: "main" };
    const { identity } = await createAccount(managed.world.services, managed.tenant.slug, account);
    await managed.create({ name: "Bare", cloudAccountIdentity: identity, region: "datacenter-1", nodePools: [] });
    const { comments } = read(await translate("bare"));
    expect(comments.at(-1)).toMatch(
      /^The cloud account "No secrets" has no secrets\. .* adds credentials to the account\.$/,
    );
  });

  test("settings that cannot be expressed are printed with their reasons, and the exit code is 1", async () => {
    const strict = join(folder, "strict.json");
    const { networkInterfaces: _, ...others } = JSON.parse(PROFILE_FILE);
    writeFileSync(strict, JSON.stringify({ ...others, networkInterfaces: {} }));
    const ran = await translate("shop", { CLUSTER_API_PROFILES: strict });
    expect([ran.code, ran.stderr]).toEqual([1, ""]);
    const { objects, comments } = read(ran);
    expect(comments.slice(2)).toEqual([
      expect.stringMatching(
        /^Not supported: cni: "cilium" is not allowed: the platform does not install this network; .*$/,
      ),
    ]);
    expect(objects.map(({ kind }) => kind)).not.toContain("ClusterResourceSet");
  });

  test("everything that the catalogue and the profiles lack is listed, and nothing is printed", async () => {
    const empty = join(folder, "empty.json");
    writeFileSync(empty, JSON.stringify({ providers: { none: {} } }));
    useCatalogue(catalogueWithImages("v1.33.4-u-ame.2"));
    try {
      expect(await translate("shop", { CLUSTER_API_PROFILES: empty })).toEqual({
        code: 1,
        stdout: "",
        stderr:
          "the profile file has no settings for vsphere in datacenter-1\nthe catalogue has no machine image of v1.33.4-u-ame.2 for vsphere in datacenter-1\n",
      });
    } finally {
      useCatalogue(catalogueWithImages(""));
    }
  });

  test("a faulty profile file is refused with every problem", async () => {
    const faulty = join(folder, "faulty.json");
    writeFileSync(faulty, JSON.stringify({ providers: { gcp: {}, none: { size: 1 } } }));
    const { code, stdout, stderr } = await translate("shop", { CLUSTER_API_PROFILES: faulty });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr.split("\n").slice(1, -1)).toEqual([
      expect.stringMatching(/^providers\.(gcp|none\.size): /),
      expect.stringMatching(/^providers\.(gcp|none\.size): /),
    ]);
  });

  test("without CLUSTER_API_PROFILES the command names the variable", async () => {
    for (const value of ["", "none"]) {
      expect(await translate("shop", { CLUSTER_API_PROFILES: value })).toMatchObject({
        code: 2,
        stdout: "",
        stderr: expect.stringMatching(/^CLUSTER_API_PROFILES is not set\. /),
      });
    }
  });

  test("a cluster of another organisation is not found", async () => {
    const other = await managed.world.tenant();
    expect(await translate("shop", {}, other.slug)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^There is no cluster "shop" in environment "production" of organisation/),
    });
  });

  test("a cluster that is being deleted has no objects, and a deleted one is refused", async () => {
    await managed.send("PATCH", managed.tenant.path("production", "bare"), { status: "deleting" });
    const ran = await translate("bare");
    expect(ran.code).toBe(0);
    expect(read(ran)).toEqual({
      objects: [],
      comments: [expect.any(String), "It is being deleted: the provisioner deletes its objects."],
    });
    await managed.world.settle(20 * 60_000);
    expect(await translate("bare")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^The cluster [0-9a-f-]{36} is deleted\. It has no objects\.\n$/),
    });
  });
});
