import { describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { VERSION } from "#core/provisioning/cluster-api/labels.ts";
import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { observationOf } from "#core/provisioning/cluster-api/observation.ts";
import type { ObjectCondition } from "#core/provisioning/cluster-api/observed-objects.ts";
import { exampleOf } from "#test/support/cluster-api/examples.ts";
import { completeSettings } from "#test/support/cluster-api/provider-settings.ts";
import { translateAll } from "#test/support/cluster-api/translating.ts";

const AT = "2026-11-28T00:00:00.000Z";

interface ControlPlaneSpec {
  replicas: number;
  network: object;
  apiServer?: { extraArgs: string[]; extraVolumeMounts?: object[] };
  deployment?: { extraVolumes?: { configMap: { name: string } }[] };
}

const find = (manifests: readonly Manifest[], kind: string) => manifests.find((each) => each.kind === kind);

function controlPlane(input: TranslationInput): ControlPlaneSpec {
  return find(translateAll(input), "KamajiControlPlane")?.spec as ControlPlaneSpec;
}

const withCluster = (settings: Partial<Cluster>, name: "minimal" | "full" = "minimal"): TranslationInput => {
  const input = exampleOf("byon", name);
  return { ...input, cluster: { ...input.cluster, ...settings } };
};

describe("the control plane of a cluster whose machines the customer brings", () => {
  test("a hosted control plane has one replica, three with high availability, and none while the cluster is stopped", () => {
    expect(controlPlane(withCluster({})).replicas).toBe(1);
    expect(controlPlane(withCluster({ highlyAvailable: true })).replicas).toBe(3);
    expect(controlPlane({ ...withCluster({ highlyAvailable: true }), isRunning: false }).replicas).toBe(0);
  });

  test("a hosted API server allows all addresses without an IP whitelist, and with one its ranges and the platform's", () => {
    const open = { loadBalancerConfig: { loadBalancerSourceRanges: ["0.0.0.0/0"] } };
    expect(controlPlane(withCluster({ ipWhitelist: [] }, "full")).network).toMatchObject(open);
    const ranges = ["203.0.113.0/24", "192.0.2.10/32"].map((cidr) => ({ cidr, description: "" }));
    expect(controlPlane(withCluster({ ipWhitelist: ranges }, "full")).network).toEqual({
      serviceType: "LoadBalancer",
      loadBalancerConfig: { loadBalancerSourceRanges: ["192.0.2.10/32", "198.51.100.0/24", "203.0.113.0/24"] },
    });
  });

  test("a hosted control plane has no loadBalancerSourceRanges with another Service type, because the schema refuses them", () => {
    const input = withCluster({});
    const settings = { ...completeSettings("byon"), serviceType: "NodePort" as const };
    expect(controlPlane({ ...input, settings } as TranslationInput).network).toEqual({ serviceType: "NodePort" });
  });

  test("a hosted API server mounts an admission configuration named by its content, and none with the level privileged", () => {
    const names = (["restricted", "baseline"] as const).map((podSecurityStandardsProfile) => {
      const manifests = translateAll(withCluster({ podSecurityStandardsProfile }));
      const configuration = find(manifests, "ConfigMap");
      const spec = find(manifests, "KamajiControlPlane")?.spec as ControlPlaneSpec;
      expect(configuration?.data?.["admission.yaml"]).toContain(`enforce: ${podSecurityStandardsProfile}`);
      expect(spec.deployment?.extraVolumes?.[0]?.configMap.name).toBe(configuration?.metadata.name);
      expect(spec.apiServer?.extraArgs).toEqual([
        "--admission-control-config-file=/etc/kubernetes/admission/admission.yaml",
      ]);
      return configuration?.metadata.name;
    });
    expect(new Set(names).size).toBe(2);
    const privileged = translateAll(withCluster({ podSecurityStandardsProfile: "privileged" }));
    expect(find(privileged, "ConfigMap")).toBeUndefined();
    expect(controlPlane(withCluster({}))).not.toHaveProperty("apiServer");
    expect(controlPlane(withCluster({}))).not.toHaveProperty("deployment");
  });

  test("a hosted control plane has the name of its Cluster, without an infrastructure reference and objects of node pools", () => {
    const manifests = translateAll(exampleOf("byon", "full"));
    const cluster = find(manifests, "Cluster");
    expect(find(manifests, "KamajiControlPlane")?.metadata.name).toBe(cluster?.metadata.name);
    expect(cluster?.spec).not.toHaveProperty("infrastructureRef");
    expect(manifests.map(({ kind }) => kind)).toEqual([
      "Namespace",
      "Secret",
      "ConfigMap",
      "KamajiControlPlane",
      "Cluster",
      "ClusterResourceSet",
    ]);
  });
});

test("a cluster without infrastructure is available when its control plane is available", () => {
  const { cluster } = withCluster({
    status: "starting",
    furthestPhase: "CLUSTER_PROVISIONED",
    provisionStatus: "CLUSTER_PROVISIONED",
  });
  const observe = (controlPlaneAvailable: "True" | "False") => {
    const conditions: ObjectCondition[] = [
      { type: "Available", status: "Unknown", reason: "AvailableUnknown" },
      { type: "ControlPlaneAvailable", status: controlPlaneAvailable, reason: "NotAvailable" },
    ];
    const initialization = { infrastructureProvisioned: true, controlPlaneInitialized: true };
    const observed = { metadata: { name: "one" }, status: { initialization, conditions } };
    const objects = {
      cluster: observed,
      controlPlane: undefined,
      deployments: [],
      machineSets: undefined,
      certificateAuthority: undefined,
    };
    return observationOf({ cluster, nodePools: [] }, objects, true, AT);
  };
  expect(observe("True")).toMatchObject({ phase: "DONE", power: "started", health: "available" });
  expect(observe("False")).toMatchObject({
    phase: "INITIAL_NODE_POOLS_PROVISIONED",
    power: "starting",
    message: "NotAvailable",
  });
});

describe("the version of a control plane whose controller reports no generation", () => {
  const versionOf = (reported: string, upToDateReplicas = 1) => {
    const { cluster } = withCluster({ runningVersion: "v1.33.8-u-ame.1", status: "started", furthestPhase: "DONE" });
    const initialization = { infrastructureProvisioned: true, controlPlaneInitialized: true };
    const controlPlane = {
      metadata: { name: "one", generation: 4, annotations: { [VERSION]: "v1.34.4-u-ame.2" } },
      spec: { replicas: 1, version: "v1.34.4" },
      status: { replicas: 1, upToDateReplicas, version: reported },
    };
    const observed = { metadata: { name: "one" }, status: { initialization } };
    const rest = { deployments: [], machineSets: undefined, certificateAuthority: undefined };
    return observationOf({ cluster, nodePools: [] }, { cluster: observed, controlPlane, ...rest }, true, AT).version;
  };

  test("a hosted control plane has its former version until its status has the requested version and all pods have it", () => {
    expect(versionOf("v1.33.8")).toBe("v1.33.8-u-ame.1");
    expect(versionOf("v1.34.4", 0)).toBe("v1.33.8-u-ame.1");
    expect(versionOf("v1.34.4")).toBe("v1.34.4-u-ame.2");
  });
});
