import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import { base64, clientOf, errorOf, kinds, secret, unaborted } from "#test/support/kubernetes-client.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;
let client: KubernetesClient;
let namespace: string;
let count = 0;

beforeAll(async () => {
  server = await startKubernetesServer({ missing: ["AzureCluster"] });
  client = clientOf(server);
});
beforeEach(async () => {
  count += 1;
  namespace = `test-${count}`;
  await client.apply({ ...kinds.namespace, metadata: { name: namespace } }, unaborted());
  server.fault = () => undefined;
  server.reset();
});
afterAll(async () => {
  client.close();
  await server.stop();
});

const ref = (name: string) => ({ ...kinds.secret, namespace, name });
const given = (name: string, rest: object = {}, metadata: object = {}) => secret(name, namespace, rest, metadata);

describe("reads", () => {
  test("get returns the JSON of the server, with times as text", async () => {
    await client.apply(given("a", { data: { x: base64("1") } }, { labels: { l: "1" } }), unaborted());
    const found = await client.get(ref("a"), unaborted());
    expect(found).toMatchObject({
      ...kinds.secret,
      data: { x: "MQ==" },
      metadata: { name: "a", namespace, labels: { l: "1" } },
    });
    expect(found?.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT[\d:]+Z$/);
  });

  test("get returns undefined for a missing object, also in a missing namespace", async () => {
    expect(await client.get(ref("none"), unaborted())).toBeUndefined();
    expect(await client.get({ ...kinds.cluster, namespace: "nowhere", name: "a" }, unaborted())).toBeUndefined();
  });

  test("get of a kind that is not installed is refused, and so cannot look like a missing object", async () => {
    const kind = { apiVersion: "infrastructure.cluster.x-k8s.io/v1beta1", kind: "AzureCluster" };
    expect(await errorOf(client.get({ ...kind, namespace, name: "a" }, unaborted()))).toMatchObject({
      kind: "refused",
      status: 404,
      reason: "KindNotServed",
    });
    const otherVersion = { ...kinds.cluster, apiVersion: "cluster.x-k8s.io/v1alpha4" };
    expect(await errorOf(client.get({ ...otherVersion, namespace, name: "a" }, unaborted()))).toMatchObject({
      kind: "refused",
      status: 404,
      reason: "KindNotServed",
    });
  });

  test("a kind that is not in the table, and a wrong scope, fail without a call", async () => {
    await expect(client.get({ apiVersion: "v1", kind: "Pod", namespace, name: "a" }, unaborted())).rejects.toThrow(
      "v1 Pod: unknown kind",
    );
    await expect(client.get({ ...kinds.secret, name: "a" }, unaborted())).rejects.toThrow(
      "Secret a: needs a namespace",
    );
    await expect(client.get({ ...kinds.zone, namespace, name: "a" }, unaborted())).rejects.toThrow("has no namespace");
    expect(server.calls).toEqual([]);
  });

  test("list follows all pages and returns kinds and versions, which Kubernetes omits in lists of its own kinds", async () => {
    for (const name of ["c", "a", "e", "b", "d"]) await client.apply(given(name), unaborted());
    const paged = clientOf(server, { pageSize: 2 });
    server.reset();
    const found = await paged.list(kinds.secret, { namespace, ...unaborted() });
    expect(found.map(({ apiVersion, kind, metadata }) => [apiVersion, kind, metadata.name])).toEqual(
      ["a", "b", "c", "d", "e"].map((name) => ["v1", "Secret", name]),
    );
    expect(server.calls.map(({ query }) => [query.get("limit"), query.has("continue")])).toEqual([
      ["2", false],
      ["2", true],
      ["2", true],
    ]);
    paged.close();
  });

  test("list selects by labels and namespaces", async () => {
    await client.apply(given("a", {}, { labels: { "x.io/one": "1", two: "2" } }), unaborted());
    await client.apply(given("b", {}, { labels: { "x.io/one": "1" } }), unaborted());
    const names = async (labels: Record<string, string>, where: object) =>
      (await client.list(kinds.secret, { labels, ...where, ...unaborted() })).map(({ metadata }) => metadata.name);
    expect(await names({ "x.io/one": "1", two: "2" }, { namespace })).toEqual(["a"]);
    expect(await names({ "x.io/one": "1" }, {})).toEqual(["a", "b"]);
    expect(await names({ "x.io/one": "1" }, { namespace: "nowhere" })).toEqual([]);
  });

  test("list starts again when its continue token has expired", async () => {
    for (const name of ["a", "b", "c"]) await client.apply(given(name), unaborted());
    const paged = clientOf(server, { pageSize: 2 });
    server.reset();
    server.fault = ({ index }) => (index === 1 ? { type: "status", status: 410, reason: "Expired" } : undefined);
    expect(await paged.list(kinds.secret, { namespace, ...unaborted() })).toHaveLength(3);
    expect(server.calls).toHaveLength(4);
    paged.close();
  });

  test("version returns the version of the server", async () => {
    expect(await client.version(unaborted())).toBe("v1.34.4");
  });

  test("discover returns the served versions of each kind, and nothing for an unknown group", async () => {
    const core = await client.discover("cluster.x-k8s.io", unaborted());
    expect(core.get("MachineDeployment")).toEqual(["v1beta2", "v1beta1"]);
    const infrastructure = await client.discover("infrastructure.cluster.x-k8s.io", unaborted());
    expect([infrastructure.get("AWSCluster"), infrastructure.get("AzureCluster")]).toEqual([["v1beta2"], undefined]);
    expect(await client.discover("none.x-k8s.io", unaborted())).toEqual(new Map());
  });
});

describe("apply", () => {
  test("apply sends one request with the field manager, force and strict validation", async () => {
    const applied = await client.apply(given("a", { data: { x: base64("1") } }), unaborted());
    expect(applied.metadata.managedFields).toMatchObject([{ manager: "ame-control-plane", operation: "Apply" }]);
    expect(server.calls.map(({ method, path, query }) => [method, path, Object.fromEntries(query)])).toEqual([
      [
        "PATCH",
        `/api/v1/namespaces/${namespace}/secrets/a`,
        { fieldManager: "ame-control-plane", force: "true", fieldValidation: "Strict" },
      ],
    ]);
  });

  test("an unchanged apply changes no version, and a field that is no longer applied is removed", async () => {
    const first = await client.apply(given("a", { data: { x: base64("1"), y: base64("2") } }), unaborted());
    const second = await client.apply(given("a", { data: { x: base64("1"), y: base64("2") } }), unaborted());
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect(await client.apply(given("a", { data: { y: base64("2") } }), unaborted())).toMatchObject({
      data: { y: "Mg==" },
    });
  });

  test("dry run returns the result and stores nothing", async () => {
    const result = await client.apply(given("a"), { ...unaborted(), dryRun: true });
    expect(result.metadata.uid).toBeDefined();
    expect(await client.get(ref("a"), unaborted())).toBeUndefined();
  });

  test("without force, a field of another manager is a conflict that names manager and field", async () => {
    await client.apply(given("a", { data: { x: base64("1") } }), { ...unaborted(), fieldManager: "other" });
    const change = client.apply(given("a", { data: { x: base64("2") } }), { ...unaborted(), force: false });
    expect(await errorOf(change)).toMatchObject({
      kind: "conflict",
      message: expect.stringContaining('conflict with "other": .data.x'),
    });
  });

  test("apply with an outdated resourceVersion fails with conflict", async () => {
    const { metadata } = await client.apply(given("a"), unaborted());
    const { resourceVersion } = metadata;
    await client.apply(given("a", {}, { labels: { l: "1" }, resourceVersion }), unaborted());
    const late = client.apply(given("a", {}, { labels: { l: "2" }, resourceVersion }), unaborted());
    expect(await errorOf(late)).toMatchObject({ kind: "conflict", status: 409 });
  });

  test("apply with a uid does not recreate a deleted object", async () => {
    const { metadata } = await client.apply(given("a"), unaborted());
    await client.delete(ref("a"), unaborted());
    expect(await errorOf(client.apply(given("a", {}, { uid: metadata.uid }), unaborted()))).toMatchObject({
      kind: "conflict",
    });
    expect(await client.get(ref("a"), unaborted())).toBeUndefined();
    await client.apply(given("a"), unaborted());
    expect(await errorOf(client.apply(given("a", {}, { uid: metadata.uid }), unaborted()))).toMatchObject({
      kind: "refused",
    });
  });
});

describe("create and delete", () => {
  test("create of an object that exists fails with already-exists", async () => {
    expect((await client.create(given("a"), unaborted())).metadata.uid).toBeDefined();
    expect(await errorOf(client.create(given("a"), unaborted()))).toMatchObject({
      kind: "already-exists",
      status: 409,
      reason: "AlreadyExists",
    });
  });

  test("create with dry run stores nothing", async () => {
    await client.create(given("a"), { ...unaborted(), dryRun: true });
    expect(await client.get(ref("a"), unaborted())).toBeUndefined();
  });

  test("delete removes an object, and fails with not-found without one", async () => {
    await client.apply(given("a"), unaborted());
    await client.delete(ref("a"), unaborted());
    expect(await client.get(ref("a"), unaborted())).toBeUndefined();
    expect(await errorOf(client.delete(ref("a"), unaborted()))).toMatchObject({ kind: "not-found", status: 404 });
  });

  test.each(["uid", "resourceVersion"] as const)("delete with another %s fails with conflict", async (name) => {
    const { metadata } = await client.apply(given("a"), unaborted());
    const wrong = client.delete(ref("a"), { ...unaborted(), preconditions: { [name]: "1" } });
    expect(await errorOf(wrong)).toMatchObject({ kind: "conflict", message: expect.stringContaining("precondition") });
    await client.delete(ref("a"), { ...unaborted(), preconditions: { [name]: metadata[name] ?? "" } });
    expect(await client.get(ref("a"), unaborted())).toBeUndefined();
  });

  test("an object with finalizers stays until they are removed", async () => {
    await client.apply(given("a", {}, { finalizers: ["example.com/f"] }), unaborted());
    await client.delete(ref("a"), { ...unaborted(), propagationPolicy: "Background" });
    expect((await client.get(ref("a"), unaborted()))?.metadata.deletionTimestamp).toBeDefined();
    await client.apply(given("a"), unaborted());
    expect(await client.get(ref("a"), unaborted())).toBeUndefined();
  });

  test("deleteCollection deletes by labels in one namespace, and refuses to delete without any", async () => {
    for (const name of ["a", "b"]) await client.apply(given(name, {}, { labels: { l: name } }), unaborted());
    await client.deleteCollection(kinds.secret, { namespace, labels: { l: "a" }, ...unaborted() });
    expect(
      (await client.list(kinds.secret, { namespace, ...unaborted() })).map(({ metadata }) => metadata.name),
    ).toEqual(["b"]);
    await expect(client.deleteCollection(kinds.secret, { namespace, labels: {}, ...unaborted() })).rejects.toThrow(
      "at least one label",
    );
  });
});

describe("permissions", () => {
  test("isAllowed asks for one verb of a kind, in all namespaces or in one, and stores nothing", async () => {
    const asked: unknown[] = [];
    server.denies = (attributes) => {
      asked.push(attributes);
      return attributes.namespace === undefined;
    };
    const stored = server.store.all().length;
    const access = { ...kinds.cluster, verb: "patch" } as const;
    expect(await client.isAllowed(access, unaborted())).toBe(false);
    expect(await client.isAllowed({ ...access, namespace }, unaborted())).toBe(true);
    const attributes = { verb: "patch", group: "cluster.x-k8s.io", version: "v1beta2", resource: "clusters" };
    expect(asked).toEqual([attributes, { ...attributes, namespace }]);
    expect(server.store.all()).toHaveLength(stored);
  });

  test("a response that is not a review is an outage", async () => {
    server.fault = () => ({ type: "status", status: 200, text: '{"status": {"allowed": "yes"}}' });
    expect(await errorOf(client.isAllowed({ ...kinds.secret, verb: "get" }, unaborted()))).toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("the response is not a review"),
    });
    server.fault = () => undefined;
  });
});

describe("connections", () => {
  test("calls reuse connections", async () => {
    for (let call = 0; call < 10; call += 1) await client.version(unaborted());
    expect(new Set(server.calls.map(({ connection }) => connection)).size).toBe(1);
  });

  test("a call continues on a new connection if the server has closed the kept one", async () => {
    const own = clientOf(server);
    await own.version(unaborted());
    await server.refuse();
    await server.accept();
    expect(await own.version(unaborted())).toBe("v1.34.4");
    own.close();
  });

  test("the API server of a workload cluster has its own objects", async () => {
    const workload = server.workload(namespace, "one");
    const own = clientOf(server, { cluster: { server: `${server.url}/workloads/${namespace}/one` } });
    await own.create(secret("token", "kube-system"), unaborted());
    expect(workload.store.list({ group: "", plural: "secrets" }).map(({ object }) => object.metadata.name)).toEqual([
      "token",
    ]);
    expect(await client.get({ ...kinds.secret, namespace: "kube-system", name: "token" }, unaborted())).toBeUndefined();
    own.close();
  });
});
