import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { shippedCatalogue, useCatalogue } from "#core/catalogue/index.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { CLUSTER_ID } from "#core/provisioning/cluster-api/labels.ts";
import { type AdminRun, runAdmin } from "#test/support/admin.ts";
import { installDefinitions } from "#test/support/cluster-api/definitions.ts";
import { type ManagedWorld, makeManagedWorld } from "#test/support/cluster-api/managed-world.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";
import { PROFILE_FILE } from "#test/support/limited-provisioner.ts";
import { addKnownSecrets, expectNoSecrets } from "#test/support/secrets.ts";
import type { Json } from "#test/support/world.ts";

const TOKEN = "token-of-the-management-cluster";
const CLUSTER = { apiVersion: "cluster.x-k8s.io/v1beta2", kind: "Cluster" };
const CRD = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

const folder = mkdtempSync(join(tmpdir(), "provisioner-"));
const write = (name: string, content: unknown): string => {
  const file = join(folder, name);
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};
let managed: ManagedWorld;
let environment: Record<string, string>;
/** Cluster in the table and in the management cluster. */
let cluster: Json;
let account: string;
const creation = (name: string) =>
  managed.tenant.creation({ name, cloudAccountIdentity: account, region: "region-1", nodePools: [] });

/** Profile file with settings of some providers. */
const profilesOf = (...slugs: string[]): string => {
  const { providers, ...others } = JSON.parse(PROFILE_FILE);
  const chosen = Object.fromEntries(slugs.map((slug) => [slug, providers[slug]]));
  return write(`${slugs.join("-")}.json`, { ...others, providers: chosen });
};

beforeAll(async () => {
  addKnownSecrets(TOKEN);
  managed = await makeManagedWorld();
  const { server } = managed.world;
  server.tokens.add(TOKEN);
  installDefinitions(server);
  account = await managed.account("none");
  cluster = await managed.create(creation("one"));
  await managed.world.settle(20 * 60_000);
  environment = {
    DYNAMODB_ENDPOINT: inject("endpoint"),
    TABLE_NAME: managed.world.table.name,
    PROVISIONER: "cluster-api",
    CLUSTER_API_PROFILES: write("profiles.json", PROFILE_FILE),
    CLUSTER_API_KUBECONFIG: write("kubeconfig", server.kubeconfig({ token: TOKEN })),
  };
});
beforeEach(() => {
  const { server } = managed.world;
  server.missing.clear();
  server.denies = () => false;
  server.forbids = () => false;
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await managed.world.stop();
  useCatalogue(shippedCatalogue);
});

async function check(more: Record<string, string> = {}): Promise<AdminRun> {
  const ran = await runAdmin({ ...environment, ...more }, "provisioner", "check");
  expectNoSecrets(ran.stdout + ran.stderr, "the output");
  return ran;
}

const accept = (kubeconfig = environment.CLUSTER_API_KUBECONFIG): Promise<AdminRun> =>
  runAdmin({ ...environment, CLUSTER_API_KUBECONFIG: kubeconfig ?? "" }, "provisioner", "accept");

/** Returns the rows of the table, by provider and kind. */
const rowsOf = ({ stdout }: AdminRun) =>
  new Map(
    [
      ...stdout.matchAll(
        /^(\w+) {2,}(\w+) {2,}(v\w+) {2,}(-|v[\w, ]*?) {2,}(\S+( readable)?) {2,}(ok|missing|not used)$/gm,
      ),
    ].map(([, provider, kind, wanted, served, contract, , state]) => [
      `${provider} ${kind}`,
      [wanted, served, contract, state],
    ]),
  );

const problemsIn = ({ stdout }: AdminRun) => [...stdout.matchAll(/^- (.*)$/gm)].map(([, problem]) => problem);

describe("npm run admin -- provisioner check", () => {
  test("a complete management cluster is reported with the versions of each kind, and the exit code is 0", async () => {
    const before = managed.world.server.store.all().length;
    const ran = await check();
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    expect(ran.stdout).toMatch(/^The management cluster answers: Kubernetes v1\.34\.4\.$/m);
    expect(ran.stdout).toMatch(/^\d+ permissions checked\. 1 clusters in the management cluster, 1 in the table\.$/m);
    expect(ran.stdout).toMatch(/^No problems\.$/m);
    const rows = rowsOf(ran);
    expect(Object.fromEntries(rows)).toMatchObject({
      "core Cluster": ["v1beta2", "v1beta2, v1beta1", "-", "ok"],
      "kubeadm KubeadmControlPlane": ["v1beta2", "v1beta2, v1beta1", "v1beta2", "ok"],
      "none DevCluster": ["v1beta2", "v1beta2", "v1beta2", "ok"],
      "aws AWSCluster": ["v1beta2", "v1beta2", "v1beta1", "ok"],
      "azure AzureClusterIdentity": ["v1beta1", "v1beta1", "-", "ok"],
      "byon KamajiControlPlane": ["v1alpha2", "v1alpha2", "v1beta2", "ok"],
      "vsphere VSphereMachineTemplate": ["v1beta2", "v1beta2", "v1beta2", "ok"],
    });
    expect([...rows.values()].map(([, , , state]) => state)).toEqual(Array(rows.size).fill("ok"));
    expect(rows.size).toBeGreaterThan(20);
    // The check changes nothing.
    expect(managed.world.server.store.all()).toHaveLength(before);
  });

  test("a credential plugin is found through PATH and gets the environment of the command", async () => {
    const credential = '{"apiVersion":"%s","kind":"ExecCredential","status":{"token":"%s"}}';
    const apiVersion = "client.authentication.k8s.io/v1";
    const plugin = `#!/bin/sh\nprintf '${credential}' ${apiVersion} "$(cat "$HOME/plugin-token")"\n`;
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "test-credential-plugin"), plugin, { mode: 0o755 });
    write("plugin-token", TOKEN);
    const exec = { apiVersion, command: "test-credential-plugin", interactiveMode: "Never" };
    const CLUSTER_API_KUBECONFIG = write("exec", managed.world.server.kubeconfig({ exec }));
    const ran = await check({ CLUSTER_API_KUBECONFIG, HOME: folder, PATH: `${bin}:/usr/bin:/bin` });
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    expect(ran.stdout).toMatch(/^No problems\.$/m);
    const without = await check({ CLUSTER_API_KUBECONFIG, HOME: folder, PATH: "/usr/bin:/bin" });
    expect(without.stdout).toMatch(/the credential command test-credential-plugin cannot run \(ENOENT\)/);
  });

  test("kinds that are not installed are problems of the providers in the profile file only", async () => {
    const { server } = managed.world;
    for (const kind of ["AWSCluster", "AWSMachineTemplate", "AzureCluster"]) server.missing.add(kind);
    const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none", "aws") });
    expect(ran.code).toBe(1);
    expect(problemsIn(ran)).toEqual([
      "aws: not installed: AWSCluster, AWSMachineTemplate. Install: clusterctl init --infrastructure aws (release 2.11.1 has them).",
    ]);
    const rows = rowsOf(ran);
    expect(rows.get("aws AWSCluster")).toEqual(["v1beta2", "-", "-", "missing"]);
    expect(rows.get("azure AzureCluster")).toEqual(["v1beta1", "-", "-", "not used"]);
    expect(rows.get("vsphere VSphereCluster")?.[3]).toBe("not used");
  });

  test("a kind that is served in another version only is a problem that names both versions", async () => {
    managed.world.server.missing.add("MachineDeployment/v1beta2");
    const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none") });
    expect([ran.code, problemsIn(ran)]).toEqual([
      1,
      [
        expect.stringMatching(
          /^core: MachineDeployment is served in v1beta1, but this release writes v1beta2\. Install .* clusterctl init/,
        ),
      ],
    ]);
    expect(rowsOf(ran).get("core MachineDeployment")).toEqual(["v1beta2", "v1beta1", "-", "missing"]);
  });

  test("a kind without the label of Cluster API's contract is a problem, because Cluster API does not find its version", async () => {
    const { store } = managed.world.server;
    const at = { namespace: undefined, name: "devclusters.infrastructure.cluster.x-k8s.io" };
    const label = (value: string) =>
      store.update(
        resourceOf(CRD),
        at,
        ({ metadata }) => {
          metadata.labels = { "cluster.x-k8s.io/v1beta2": value };
        },
        { manager: "test" },
      );
    label("v1alpha4_v1beta1");
    try {
      const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none") });
      expect([ran.code, problemsIn(ran)]).toEqual([
        1,
        [
          expect.stringMatching(
            /^none: the CustomResourceDefinitions of DevCluster have no label cluster\.x-k8s\.io\/v1beta2 or /,
          ),
        ],
      ]);
    } finally {
      label("v1beta1_v1beta2");
    }
    expect((await check({ CLUSTER_API_PROFILES: profilesOf("none") })).code).toBe(0);
  });

  test("calls that the credentials do not allow are problems with the rule to add", async () => {
    managed.world.server.denies = ({ verb, group, resource, namespace }) =>
      namespace === undefined &&
      ((group === "cluster.x-k8s.io" &&
        resource === "machinedeployments" &&
        ["patch", "deletecollection"].includes(verb)) ||
        (group === "" && resource === "secrets"));
    const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none") });
    expect([ran.code, problemsIn(ran)]).toEqual([
      1,
      [
        'access: the user of the kubeconfig may not get, list, create, patch, delete, deletecollection secrets in all namespaces. Add to a ClusterRole of the user: {"apiGroups":[""],"resources":["secrets"],"verbs":["get","list","create","patch","delete","deletecollection"]}.',
        'access: the user of the kubeconfig may not patch, deletecollection machinedeployments in all namespaces. Add to a ClusterRole of the user: {"apiGroups":["cluster.x-k8s.io"],"resources":["machinedeployments"],"verbs":["patch","deletecollection"]}.',
      ],
    ]);
  });

  test("clusters are not compared if the credentials do not allow to list them, which is a problem", async () => {
    const { server } = managed.world;
    server.denies = ({ verb, resource }) => verb === "list" && resource === "clusters";
    server.forbids = ({ method, path }) => method === "GET" && path === "/apis/cluster.x-k8s.io/v1beta2/clusters";
    const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none") });
    expect([ran.code, problemsIn(ran)]).toEqual([
      1,
      [expect.stringMatching(/^access: the user of the kubeconfig may not list clusters in all namespaces\. /)],
    ]);
    expect(ran.stdout).toMatch(/ permissions checked\. Clusters were not compared\.$/m);
  });

  test("definitions and namespaces that only the check reads may be unreadable", async () => {
    managed.world.server.forbids = ({ method, path }) =>
      method === "GET" && /\/(customresourcedefinitions|namespaces)\/[^/]+$/.test(path);
    const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none", "vsphere") });
    expect([ran.code, problemsIn(ran)]).toEqual([0, []]);
    expect(rowsOf(ran).get("vsphere VSphereCluster")).toEqual(["v1beta2", "v1beta2", "not readable", "ok"]);
  });

  test("the namespace of a controller that does not exist is a problem", async () => {
    const profiles = JSON.parse(PROFILE_FILE);
    profiles.providers = { vsphere: { ...profiles.providers.vsphere, controllerNamespace: "elsewhere" } };
    const ran = await check({ CLUSTER_API_PROFILES: write("elsewhere.json", profiles) });
    expect([ran.code, problemsIn(ran)]).toEqual([
      1,
      [
        expect.stringMatching(
          /^vsphere: the namespace elsewhere does not exist\. .* or correct controllerNamespace in the profile file\.$/,
        ),
      ],
    ]);
  });
});

describe("the comparison of clusters with the table", () => {
  const only = () => check({ CLUSTER_API_PROFILES: profilesOf("none") });
  const stores = () => managed.world.server.store;
  const namespaceOfTenant = () => stores().list(resourceOf(CLUSTER))[0]?.object.metadata.namespace;

  /** Runs work before the list of clusters is answered, and after the table was read. */
  function beforeList(server: KubernetesServer, work: () => Promise<unknown>): void {
    server.fault = ({ method, path }) => {
      if (method !== "GET" || path !== "/apis/cluster.x-k8s.io/v1beta2/clusters") return undefined;
      server.fault = () => undefined;
      return { type: "late", until: work() };
    };
  }

  test("a cluster of this service that is not in the table is an orphan, and clusters of others are not", async () => {
    const namespace = namespaceOfTenant() ?? "";
    const identity = "4dd78818-1f3e-499f-a4a3-9b4784658b49";
    const labels = { "ame-clusters/managed-by": "ame-control-plane", [CLUSTER_ID]: identity };
    stores().create(resourceOf(CLUSTER), { ...CLUSTER, metadata: { name: "left", namespace, labels } }, "test");
    stores().create(resourceOf(CLUSTER), { ...CLUSTER, metadata: { name: "of-others", namespace } }, "test");
    try {
      const ran = await only();
      expect([ran.code, problemsIn(ran)]).toEqual([
        1,
        [
          `clusters: ${namespace}/left (${identity}) is in the management cluster, but not in the table. If it does not belong to another installation, delete it: kubectl delete clusters.cluster.x-k8s.io --namespace ${namespace} left.`,
        ],
      ]);
    } finally {
      for (const name of ["left", "of-others"]) stores().delete(resourceOf(CLUSTER), { namespace, name });
    }
    expect((await only()).code).toBe(0);
  });

  test("a cluster of the table that is not in the management cluster is a problem, unless it is new or another provisioner builds it", async () => {
    const empty = await startKubernetesServer();
    try {
      installDefinitions(empty);
      const more = {
        CLUSTER_API_PROFILES: profilesOf("none"),
        CLUSTER_API_KUBECONFIG: write("empty", empty.kubeconfig()),
      };
      const { body } = await managed.send("POST", managed.tenant.path("staging"), creation("unplanned"));
      const other = await check(more);
      expect([other.code, problemsIn(other)]).toEqual([
        1,
        [expect.stringMatching(/^management cluster: .* another .*run: npm run admin -- provisioner accept\.$/)],
      ]);
      const accepted = await accept(more.CLUSTER_API_KUBECONFIG);
      expect(accepted).toMatchObject({ code: 0, stderr: "" });
      expect(accepted.stdout).toMatch(
        /^The table is now used with the management cluster \S+\. It was used with \S+ before\.$/m,
      );
      expect((await accept(more.CLUSTER_API_KUBECONFIG)).stdout).toMatch(/^The table is already used with/);
      const ran = await check(more);
      expect([ran.code, problemsIn(ran)]).toEqual([
        1,
        [
          `clusters: one (${cluster.identity}) in environment production of organisation ${managed.tenant.slug} is in the table, but not in the management cluster. To build it now: npm run admin -- cluster retry --id ${cluster.identity}.`,
        ],
      ]);
      expect(ran.stdout).not.toContain(body.identity);
      const simulated = await check({ ...more, PROVISIONER: "simulated" });
      expect([simulated.code, problemsIn(simulated)]).toEqual([0, []]);
      expect(simulated.stdout).toMatch(/^PROVISIONER is not cluster-api here/m);
    } finally {
      await accept();
      await empty.stop();
    }
  });

  test("a cluster that is created during the check is no orphan", async () => {
    const namespace = namespaceOfTenant() ?? "";
    beforeList(managed.world.server, async () => {
      const { body } = await managed.send("POST", managed.tenant.path("staging"), creation("meanwhile"));
      const labels = { "ame-clusters/managed-by": "ame-control-plane", [CLUSTER_ID]: body.identity };
      stores().create(resourceOf(CLUSTER), { ...CLUSTER, metadata: { name: "meanwhile", namespace, labels } }, "test");
    });
    try {
      const ran = await only();
      expect([ran.code, problemsIn(ran)]).toEqual([0, []]);
      expect(ran.stdout).toMatch(/ 2 clusters in the management cluster, 2 in the table\.$/m);
    } finally {
      stores().delete(resourceOf(CLUSTER), { namespace, name: "meanwhile" });
    }
  });

  test("a cluster whose deletion is requested during the check is not missing", async () => {
    const empty = await startKubernetesServer();
    try {
      installDefinitions(empty);
      beforeList(empty, () => managed.send("PATCH", managed.tenant.path("production", "one"), { status: "deleting" }));
      const kubeconfig = write("empty", empty.kubeconfig());
      await accept(kubeconfig);
      const ran = await check({ CLUSTER_API_PROFILES: profilesOf("none"), CLUSTER_API_KUBECONFIG: kubeconfig });
      expect([ran.code, problemsIn(ran)]).toEqual([0, []]);
    } finally {
      await empty.stop();
    }
  });
});

describe("a management cluster that cannot be checked", () => {
  test("a management cluster that does not answer is reported with the reason", async () => {
    await managed.world.server.refuse();
    try {
      const ran = await check();
      expect([ran.code, ran.stderr]).toEqual([1, ""]);
      expect(ran.stdout).toMatch(
        /^The management cluster was not checked: GET \/version: the connection failed .*\. Check that the API server in \/\S+ runs, and that this machine reaches it\.$/m,
      );
    } finally {
      await managed.world.server.accept();
    }
  });

  test("a management cluster that refuses the credentials is reported without the credentials", async () => {
    const kubeconfig = managed.world.server.kubeconfig({ token: `${TOKEN}-of-the-past` });
    const ran = await check({ CLUSTER_API_KUBECONFIG: write("past", kubeconfig) });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/^The management cluster was not checked: .*401/);
  });

  test("a faulty kubeconfig is refused with every problem", async () => {
    const kubeconfig = managed.world.server.kubeconfig(
      { username: "a", password: TOKEN },
      { "insecure-skip-tls-verify": true },
    );
    const ran = await check({ CLUSTER_API_KUBECONFIG: write("faulty", kubeconfig) });
    expect([ran.code, ran.stdout]).toEqual([1, ""]);
    expect(ran.stderr.trim().split("\n").length).toBeGreaterThan(1);
  });

  test("a kubeconfig and a profile file that are not configured are named together", async () => {
    const ran = await check({ CLUSTER_API_KUBECONFIG: "", CLUSTER_API_PROFILES: "none", PROVISIONER: "simulated" });
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr.trim().split("\n")).toEqual([
      expect.stringMatching(/^CLUSTER_API_PROFILES is not set\./),
      expect.stringMatching(/^CLUSTER_API_KUBECONFIG is not set\./),
    ]);
  });
});

describe("npm run admin -- provisioner accept", () => {
  test("without a kubeconfig names the variable, and with one that does not answer changes nothing", async () => {
    expect(await accept("")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^CLUSTER_API_KUBECONFIG is not set/),
    });
    const past = write("past", managed.world.server.kubeconfig({ token: `${TOKEN}-of-the-past` }));
    const refused = await accept(past);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/^The management cluster was not accepted: .*401/);
  });
});
