import { expect, test } from "vitest";
import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { definedKinds, kindOf, problemsOf } from "#test/support/cluster-api/crd-validator.ts";
import { exampleNames, exampleOf } from "#test/support/cluster-api/examples.ts";
import { mutationKinds, mutationsOf } from "#test/support/cluster-api/mutations.ts";
import { translateAll, translatedTypes } from "#test/support/cluster-api/translating.ts";

test.each(translatedTypes)(
  "every object of %s with an unknown, renamed, missing, wrong or repeated value is refused",
  (type) => {
    const manifests = exampleNames.flatMap((name) => translateAll(exampleOf(type, name)));
    const mutations = manifests.flatMap(mutationsOf);
    const accepted = mutations.filter(({ manifest }) => problemsOf(manifest).length === 0);
    expect(accepted.map(({ kind, path, manifest }) => `${manifest.kind}: ${kind} ${path}`)).toEqual([]);
    const counted = Object.groupBy(mutations, ({ kind }) => kind);
    // The objects of byon have no list whose items must differ.
    const kinds = mutationKinds.filter((kind) => type !== "byon" || kind !== "duplicate");
    for (const kind of kinds) expect([kind, counted[kind]?.length ?? 0]).not.toEqual([kind, 0]);
  },
);

const controlPlane = (network: object): Manifest => ({
  apiVersion: "controlplane.cluster.x-k8s.io/v1alpha2",
  kind: "KamajiControlPlane",
  metadata: { name: "one", namespace: "acme" },
  spec: { version: "v1.34.4", replicas: 3, network },
});

test("an object that breaks a rule of its definition is refused with the rule's message", () => {
  const ranges = { loadBalancerConfig: { loadBalancerSourceRanges: ["203.0.113.0/24"] } };
  expect(problemsOf(controlPlane({ serviceType: "LoadBalancer", ...ranges }))).toEqual([]);
  expect(problemsOf(controlPlane({ serviceType: "NodePort", ...ranges }))).toEqual([
    expect.stringMatching(/^\/spec\/network: LoadBalancerSourceRanges/),
  ]);
});

test("a rule that compares an object with its former state applies to updates only", () => {
  const withClass = (loadBalancerClass?: string) =>
    controlPlane({ serviceType: "LoadBalancer", loadBalancerConfig: { loadBalancerClass } });
  const without = controlPlane({ serviceType: "LoadBalancer", loadBalancerConfig: {} });
  expect(problemsOf(withClass("one"))).toEqual([]);
  expect(problemsOf(withClass("one"), withClass("one"))).toEqual([]);
  expect(problemsOf(withClass("one"), without)).toEqual([expect.stringContaining("/spec/network")]);
});

test("a set with a repeated item, and a list with two items of the same key, are refused", () => {
  const openstack = (tags: string[]): Manifest => ({
    apiVersion: "infrastructure.cluster.x-k8s.io/v1beta1",
    kind: "OpenStackCluster",
    metadata: { name: "one", namespace: "acme" },
    spec: { identityRef: { name: "one", cloudName: "one" }, tags },
  });
  expect(problemsOf(openstack(["a", "b"]))).toEqual([]);
  expect(problemsOf(openstack(["a", "a"]))).toEqual([expect.stringContaining("/spec/tags")]);
  const cluster = (...availabilityGates: object[]): Manifest => ({
    apiVersion: "cluster.x-k8s.io/v1beta2",
    kind: "Cluster",
    metadata: { name: "one", namespace: "acme" },
    spec: { availabilityGates },
  });
  const gate = { conditionType: "one" };
  expect(problemsOf(cluster(gate, { conditionType: "other" }))).toEqual([]);
  expect(problemsOf(cluster(gate, { ...gate, polarity: "Negative" }))).toEqual([
    expect.stringContaining("/spec/availabilityGates"),
  ]);
});

const configMap = (metadata: object): Manifest => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "one", namespace: "acme", ...metadata },
});

test.each([
  ["a name with capitals", { name: "One" }, "/metadata/name"],
  ["no namespace", { namespace: undefined }, "/metadata/namespace"],
  ["a label with a space", { labels: { team: "a b" } }, "/metadata/labels/team"],
  ["a label of 64 characters", { labels: { team: "a".repeat(64) } }, "/metadata/labels/team"],
  ["a key with two slashes", { labels: { "a/b/c": "x" } }, "/metadata/labels"],
  ["annotations of more than 256 KiB", { annotations: { note: "x".repeat(262_144) } }, "/metadata/annotations"],
  ["an owner", { ownerReferences: [] }, "/metadata: must not have ownerReferences"],
])("metadata with %s is refused", (_, metadata, problem) => {
  expect(problemsOf(configMap({}))).toEqual([]);
  expect(problemsOf(configMap(metadata))).toEqual([expect.stringContaining(problem)]);
});

test("invalid metadata of a template inside an object is refused", () => {
  const [deployment] = translateAll(exampleOf("none", "full")).filter(({ kind }) => kind === "MachineDeployment");
  const changed = structuredClone(deployment) as Manifest & { spec: { template: { metadata: { labels: object } } } };
  changed.spec.template.metadata.labels = { "a b": "x" };
  expect(problemsOf(changed)).toEqual(["/spec/template/metadata/labels: invalid key a b"]);
});

test("a kind without a definition, and another version of a kind, are refused", () => {
  const machine = { apiVersion: "example.com/v1", kind: "Machine", metadata: { name: "one", namespace: "acme" } };
  expect(problemsOf(machine)).toEqual(["no schema of example.com/v1 Machine"]);
  const cluster = { ...machine, apiVersion: "cluster.x-k8s.io/v1beta1", kind: "Cluster" };
  expect(problemsOf(cluster)).toEqual(["no schema of cluster.x-k8s.io/v1beta1 Cluster"]);
});

test("the schema and the rules of every definition can be compiled", () => {
  const compiled = definedKinds.filter((name) => {
    const [apiVersion = "", kind = ""] = name.split(" ");
    return kindOf({ apiVersion, kind }) !== undefined;
  });
  expect(compiled).toEqual(definedKinds);
  expect(definedKinds.length).toBeGreaterThanOrEqual(31);
});
