/** Examples of requests and responses: one organisation, a cluster, its pool, and what they refer to. */

import { readFileSync } from "node:fs";

/** Identities in the examples, by kind. */
export const IDENTITIES = {
  account: "8c25decc-c430-41e8-a835-bfd2928c2f84",
  cluster: "7edd36c4-8016-41db-8eb9-66bfbfa7cc47",
  credentials: "c84a3661-9b7f-430a-a046-b33e9e918909",
  environment: "6394c952-1afc-492b-b977-965e3900143e",
  organisation: "4dd78818-1f3e-499f-a4a3-9b4784658b49",
  pool: "0b0f6f6f-3f6f-4a55-9a39-2f1f0f8c5a11",
  silence: "5d1f0c35-3f0e-4a0e-9a52-0f6d4b7f3c21",
  schedule: "f2b6a6de-7c0b-4c43-9a0e-4f3f1f6f2a10",
  upgrade: "5b1e7a52-6f0c-8a4d-9c3b-7d2e8f1a4b60",
  member: "2b1f7a52-6c1e-4f0b-9d7a-5e4c3b2a1f00",
  token: "51c9d1e0-8f2b-4a6d-b7c3-0d9e8f7a6b5c",
  user: "9a7f2c31-52cf-4a0f-8f1c-3d9f0a1b2c3d",
};

/** Identity of the cloud profile of AWS in the catalogue. */
const AWS_PROFILE = "6c21a795-758a-4887-a35e-965af0f50343";

/** Id of the node pool in the examples. */
export const NODE_POOL_ID = 2_417_820_514_307_211;

/** Bodies of responses by operation and status; those under `any` are the same for every operation. */
export type ResponseExamples = Record<string, Record<string, unknown>>;

/** File of responses, which `test/contract/examples.test.ts` writes from the served app. */
export const EXAMPLES_FILE = new URL("./examples.json", import.meta.url);

let responses: ResponseExamples | undefined;

/**
 * Returns the example of a response's body.
 *
 * @throws Error where there is none: run `npx vitest run test/contract/examples --update`
 */
export function findResponseExample(operationId: string, status: number | string): unknown {
  responses ??= JSON.parse(readFileSync(EXAMPLES_FILE, "utf8")) as ResponseExamples;
  const example = responses[operationId]?.[status] ?? responses.any?.[status];
  if (example === undefined) {
    throw new Error(`${operationId} has no example of ${status}: npx vitest run test/contract/examples --update`);
  }
  return example;
}

const nodePool = {
  autoScaling: true,
  availabilityZone: "eu-west-1a",
  labels: { team: "shop" },
  maxSize: 5,
  minSize: 2,
  name: "workers",
  nodeSize: "t3.medium",
  taints: [{ effect: "NoSchedule", key: "dedicated", value: "shop" }],
};

/** Bodies of requests by operation. */
export const requests: Readonly<Record<string, unknown>> = {
  createCluster: {
    addons: { "cert-manager": { customValues: { installCRDs: "true" }, enabled: true } },
    cloudAccountIdentity: IDENTITIES.account,
    ipWhitelist: [{ cidr: { ipRange: "192.0.2.0/24" }, description: "office" }],
    maintenanceScheduleIdentity: IDENTITIES.schedule,
    name: "My first cluster",
    nodePools: [nodePool],
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
  },
  updateCluster: { deleteProtection: true, enableAutoUpgrade: true },
  moveCluster: { currentEnvironment: "staging", newEnvironment: "production" },
  updatePrometheusRulesInheritance: { environmentPrometheusRules: true },
  createEnvironment: { name: "Test & Demo", purpose: "demonstrations", type: "demo" },
  updateEnvironment: { description: "For demonstrations to customers", name: "Demo" },
  createObservabilityTenant: { ipWhiteList: "192.0.2.0/24, 2001:db8::/32", name: "Web shop" },
  updateObservabilityTenant: { name: "Web shop and API" },
  updateAlertmanagerConfiguration: {
    alertManagerConfig: "route:\n  receiver: team\nreceivers:\n  - name: team\n",
    ruleFiles: { "shop.yaml": "groups:\n  - name: shop\n    rules: []\n" },
    templateFiles: { "team.tmpl": '{{ define "team.title" }}{{ .CommonLabels.alertname }}{{ end }}' },
  },
  createSilence: {
    comment: "Maintenance of the database",
    endsAt: "2099-01-01T04:00:00Z",
    matchers: [{ isEqual: true, isRegex: true, name: "alertname", value: "Database(Down|Slow)" }],
    startsAt: "2099-01-01T02:00:00Z",
  },
  createMember: { email: "eve@example.com", kubernetesRole: "view", role: "developer", username: "Eve" },
  updateMember: { kubernetesRole: "edit", role: "viewer" },
  setEnvironmentMember: { kubernetesRole: "cluster-admin", role: "admin" },
  createToken: { expiresAt: "2030-01-31T12:00:00Z", name: "Terraform", sources: ["192.0.2.0/24"] },
  createCloudAccount: { cloudProfile: AWS_PROFILE, displayName: "Our other AWS", metadata: {} },
  updateCloudAccount: { displayName: "Our first AWS", enabled: true, primaryCloudCredentials: "" },
  createCloudCredentials: {
    credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", accessKeySecret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
    displayName: "Second",
  },
  updateCloudCredentials: {
    credentials: { accessKeyId: "AKIAI44QH8DHBEXAMPLE", accessKeySecret: "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY" },
  },
  createMaintenanceSchedule: { name: "nightly", windows: [{ day: "SUNDAY", duration: 90, startTime: "1:30" }] },
  updateMaintenanceSchedule: { windows: [{ day: "SATURDAY", duration: 240, startTime: "02:00" }] },
  undeleteCluster: { identity: IDENTITIES.cluster },
  requestScheduledClusterUpgrade: {
    clusterIdentity: IDENTITIES.cluster,
    scheduleRequestDate: "2026-12-01T00:00:00Z",
    version: "v1.35.1-u-ame.1",
  },
  createNodePool: { ...nodePool, name: "batch" },
  updateNodePool: { maxSize: 8, minSize: 3 },
};
