/** The management cluster that the other tests use: Kubernetes, Cluster API with its webhooks, and the in-memory provider. */

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type ApiServer, reference } from "./api-server.ts";
import {
  clusterReference,
  conditionOf,
  createNamespace,
  killApiServer,
  managementCluster,
  markNotReady,
  readManifests,
  remainingObjects,
  waitFor,
  waitForApiServer,
  waitUntilAvailable,
  workloadCluster,
} from "./lab.ts";

const findManifest = (namespace: string, kind: string) => {
  const found = readManifests("none", namespace).find((each) => each.kind === kind);
  if (!found) throw new Error(`no ${kind}`);
  return found;
};

describe("a cluster of hand-written manifests", () => {
  let namespace: string;
  let workload: ApiServer;

  const readyNodes = async () => {
    const nodes = await workload.list("v1", "Node");
    const ready = nodes.filter((node) => conditionOf(node, "Ready") === "True");
    return ready.map(({ metadata }): string => metadata.name).sort();
  };
  const machines = () => managementCluster().list("cluster.x-k8s.io/v1beta2", "Machine", namespace);

  beforeAll(async () => {
    namespace = await createNamespace();
    await managementCluster().applyAll(readManifests("none", namespace));
    await waitUntilAvailable(namespace, "trial");
    workload = await workloadCluster(namespace, "trial");
  });

  test("an available cluster has one ready node for each machine", async () => {
    const names = (await machines()).map(({ status }) => status.nodeRef.name);
    expect(names).toHaveLength(3);
    expect(await readyNodes()).toEqual(names.sort());
  });

  test("a node that is not ready is replaced by the health check of its pool", async () => {
    const pool = (await machines()).filter(({ metadata }) => metadata.labels.pool === "web");
    const [sick, healthy] = pool.map(({ status }) => status.nodeRef.name as string);
    if (!sick || !healthy) throw new Error("the pool has less than two machines");
    await markNotReady(workload, sick);
    const nodes = await waitFor("the sick node is replaced", async () => {
      const ready = await readyNodes();
      const isGone = (await workload.get(reference("v1", "Node", undefined, sick))) === undefined;
      return isGone && ready.length === 3 && ready;
    });
    expect(nodes).toContain(healthy);
  });

  test("a killed API server is started again with all objects, and the workload cluster answers in between", async () => {
    const before = await readyNodes();
    await killApiServer();
    try {
      expect(await readyNodes()).toEqual(before);
      await expect(managementCluster().get(clusterReference(namespace, "trial"))).rejects.toThrow("ECONNREFUSED");
    } finally {
      await waitForApiServer();
    }
    expect(await managementCluster().get(clusterReference(namespace, "trial"))).toBeDefined();
    await waitUntilAvailable(namespace, "trial");
  });

  test("a deleted cluster is removed with everything that belongs to it, and so is its namespace", async () => {
    const of = clusterReference(namespace, "trial");
    await managementCluster().delete(of);
    await waitFor("the Cluster is deleted", async () => (await managementCluster().get(of)) === undefined);
    await waitFor("nothing is left in the namespace", async () => (await remainingObjects(namespace)).length === 0, {
      describe: () => remainingObjects(namespace),
    });
    const space = reference("v1", "Namespace", undefined, namespace);
    await managementCluster().delete(space);
    await waitFor("the namespace is deleted", async () => (await managementCluster().get(space)) === undefined);
  });
});

describe("refusals", () => {
  let namespace: string;
  beforeAll(async () => {
    namespace = await createNamespace();
  });

  test("an apply with an unknown field is refused with status 500", async () => {
    const cluster = findManifest(namespace, "Cluster");
    const response = await managementCluster().apply({ ...cluster, spec: { ...cluster.spec, unknownField: 1 } });
    expect(response.status).toBe(500);
    expect(response.body.message).toContain("failed to create typed patch object");
    expect(response.body.message).toContain(".spec.unknownField: field not declared in schema");
  });

  test("an invalid value is refused by the schema with status 422", async () => {
    const cluster = findManifest(namespace, "MachineDeployment");
    const response = await managementCluster().apply({ ...cluster, spec: { ...cluster.spec, replicas: -1 } });
    expect([response.status, response.body.message]).toEqual([422, expect.stringContaining("spec.replicas")]);
  });

  test("an even number of control-plane machines is refused by a webhook of Cluster API, also in a dry run", async () => {
    const plane = findManifest(namespace, "KubeadmControlPlane");
    const even = { ...plane, spec: { ...plane.spec, replicas: 2 } };
    for (const query of [{}, { dryRun: "All" }]) {
      const { status, body } = await managementCluster().apply(even, query);
      expect([status, body.message]).toEqual([422, expect.stringContaining("cannot be an even number")]);
    }
    expect(await remainingObjects(namespace)).toEqual([]);
  });

  test("a dry run of valid manifests is accepted and writes nothing", async () => {
    for (const object of readManifests("none", namespace)) {
      expect((await managementCluster().apply(object, { dryRun: "All" })).body).toMatchObject({ kind: object.kind });
    }
    expect(await remainingObjects(namespace)).toEqual([]);
  });
});

test("every version of a kind in the CRD files is served", async () => {
  const folder = join(import.meta.dirname, "crds");
  const files = globSync("*/*.yaml", { cwd: folder });
  expect(files.length).toBeGreaterThan(25);
  for (const file of files) {
    const { spec } = parse(readFileSync(join(folder, file), "utf8"));
    const kinds = (await managementCluster().resources(`${spec.group}/${spec.versions[0].name}`)).map(
      ({ kind }) => kind,
    );
    expect(kinds).toContain(spec.names.kind);
  }
});
