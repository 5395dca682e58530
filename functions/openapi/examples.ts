/** What requests and answers look like: one cluster, its pool, and what they refer to. */

const IDENTITIES = {
  account: "8c25decc-c430-41e8-a835-bfd2928c2f84",
  cluster: "7edd36c4-8016-41db-8eb9-66bfbfa7cc47",
  credentials: "c84a3661-9b7f-430a-a046-b33e9e918909",
  environment: "6394c952-1afc-492b-b977-965e3900143e",
  organisation: "4dd78818-1f3e-499f-a4a3-9b4784658b49",
  pool: "0b0f6f6f-3f6f-4a55-9a39-2f1f0f8c5a11",
  profile: "5d1f7c0e-2f0a-4c1c-8c7e-0f6a2f1f7a01",
  schedule: "f2b6a6de-7c0b-4c43-9a0e-4f3f1f6f2a10",
  user: "9a7f2c31-52cf-4a0f-8f1c-3d9f0a1b2c3d",
};

const MOMENT = "2026-11-24T00:10:45.660Z";
const dates = { createdAt: MOMENT, modifiedAt: MOMENT };

const credentials = { displayName: "Main", identity: IDENTITIES.credentials, isPrimary: true };
const schedule = {
  identity: IDENTITIES.schedule,
  name: "weekend",
  windows: [{ day: "SATURDAY", duration: 120, startTime: "02:00" }],
};

/** A cluster as it is answered. */
export const cluster = {
  addons: { "cert-manager": { customValues: { installCRDs: "true" }, enabled: true } },
  ameOIDC: false,
  autoUpgrade: false,
  cloudAccount: { displayName: "Our AWS", identity: IDENTITIES.account, primaryCloudCredentials: credentials },
  cloudCredentials: credentials,
  cloudProvider: "aws",
  clusterPodSubnet: "10.244.0.0/16",
  cni: "cilium",
  conditions: [
    {
      type: "Ready",
      status: "False",
      reason: "Accepted",
      message: "The cluster was accepted; nothing was done for it yet.",
      lastTransitionTime: MOMENT,
      observedGeneration: 1,
    },
  ],
  createdAt: MOMENT,
  customerIdentity: IDENTITIES.organisation,
  customerSlug: { slugValue: "acme" },
  deleteProtection: false,
  desiredStatus: "starting",
  enableMultiAvailabilityZones: false,
  enableNATGateway: false,
  enableNetworkEncryption: false,
  environmentIdentity: IDENTITIES.environment,
  environmentPrometheusRules: true,
  environmentSlug: { slugValue: "production" },
  generation: 1,
  highlyAvailable: false,
  identity: IDENTITIES.cluster,
  ipWhitelist: [{ cidr: "192.0.2.0/24", description: "office" }],
  maintenanceSchedule: schedule,
  modifiedAt: MOMENT,
  name: "My first cluster",
  podSecurityStandardsProfile: "privileged",
  poolID: 1,
  poolName: "default",
  provisionStatus: "ACCEPTED",
  region: "eu-west-1",
  serviceSubnet: "10.96.0.0/12",
  slug: { slugValue: "my-first-cluster" },
  status: "new",
  version: "v1.34.4-u-ame.2",
};

/** A node pool's creation. */
export const createNodePool = {
  autoScaling: true,
  availabilityZone: "eu-west-1a",
  labels: { team: "shop" },
  maxSize: 5,
  minSize: 2,
  name: "workers",
  nodeSize: "t3.medium",
  taints: [{ effect: "NoSchedule", key: "dedicated", value: "shop" }],
};

/** A node pool as it is answered. */
export const nodePool = {
  ...createNodePool,
  ...dates,
  annotations: {},
  enableNodeAutoReplacement: true,
  enableNodeReboots: false,
  id: 2_417_820_514_307_211,
  identity: IDENTITIES.pool,
  provisionStatus: "ACCEPTED",
  securityUpdatesOnJoin: "OFF",
  upgradeStrategy: "REPLACE",
};

/** A cluster's creation. */
export const createCluster = {
  addons: cluster.addons,
  cloudAccountIdentity: IDENTITIES.account,
  ipWhitelist: [{ cidr: { ipRange: "192.0.2.0/24" }, description: "office" }],
  maintenanceScheduleIdentity: IDENTITIES.schedule,
  name: "My first cluster",
  nodePools: [createNodePool],
  region: "eu-west-1",
  version: "v1.34.4-u-ame.2",
};

/** A cluster's change. */
export const updateCluster = { deleteProtection: true, enableAutoUpgrade: true };

/** A node pool's change. */
export const updateNodePool = { maxSize: 8, minSize: 3 };

/** A cluster's move. */
export const moveCluster = { currentEnvironment: "staging", newEnvironment: "production" };

/** Which deleted cluster comes back. */
export const undeleteCluster = { identity: IDENTITIES.cluster };

/** Where a cluster's version can go. */
export const upgrades = {
  newer: [{ blockedBy: [], chain: ["v1.35.1-u-ame.0"], version: "v1.35.1-u-ame.0" }],
  reachable: [{ blockedBy: [], direction: "upgrade", version: "v1.35.1-u-ame.0" }],
  version: "v1.34.4-u-ame.2",
};

/** A cluster's events: what the reconciler did, and before it what a user asked for. */
export const events = {
  content: [
    { at: MOMENT, changes: [{ from: "new", path: "status", to: "provisioning" }], type: "cluster.status-changed" },
    {
      at: MOMENT,
      changes: [{ from: false, path: "deleteProtection", to: true }],
      requestId: "2f0a4c1c-8c7e-4f6a-a2f1-7a015d1f7c0e",
      sourceAddress: "192.0.2.7",
      tokenId: "0f8fad5b-d9cb-469f-a165-70867728950e",
      type: "cluster.updated",
      user: IDENTITIES.user,
    },
  ],
};

/** What a dry run says of a pool's removal. */
export const dryRun = {
  consequences: [{ effect: "rollsNodes", nodePools: [{ identity: IDENTITIES.pool, nodes: 2 }], property: "nodePool" }],
};

const region = {
  ...dates,
  available: true,
  id: 1,
  name: "Ireland",
  provider: "aws",
  restricted: false,
  slug: "eu-west-1",
};
const provider = {
  ...dates,
  available: true,
  byon: false,
  id: 1,
  name: "Amazon Web Services",
  slug: "aws",
  type: "aws",
};
const profile = {
  cloudProvider: "aws",
  cloudProviderRegionResponses: [region],
  cloudProviderResponse: provider,
  displayName: "Amazon Web Services",
  enabled: true,
  identity: IDENTITIES.profile,
  metadata: {},
  public: true,
  regions: ["eu-west-1"],
  type: "aws",
};

/** What a cluster's creation refers to. */
export const references = {
  account: {
    cloudProfile: profile,
    displayName: "Our AWS",
    enabled: true,
    identity: IDENTITIES.account,
    metadata: {},
    primaryCloudCredentialsIdentity: IDENTITIES.credentials,
  },
  channel: { available: true, kubernetesClusterVersion: "v1.34.4-u-ame.2", name: "v1.34" },
  credentials: {
    ...credentials,
    cloudAccountIdentity: IDENTITIES.account,
    cloudType: "aws",
    createdAt: MOMENT,
    metadata: {},
  },
  environment: {
    ...dates,
    description: "",
    id: 1_203_948_571,
    identity: IDENTITIES.environment,
    name: "production",
    organisationSlug: { slugValue: "acme" },
    purpose: "",
    slug: { slugValue: "production" },
    totalClusters: 1,
    totalCpu: 4,
    totalMemory: 8_192,
    type: "production",
  },
  membership: {
    email: { email: "ann@example.com" },
    identity: IDENTITIES.organisation,
    kubernetesRole: "",
    memberIdentity: IDENTITIES.user,
    name: "Acme",
    organisationIdentity: IDENTITIES.organisation,
    role: "admin",
    slug: { slugValue: "acme" },
  },
  nodeType: { cpu: 2, memory: 4_096, type: "t3.medium" },
  organisation: {
    acceptedTerms: true,
    createdAt: MOMENT,
    id: IDENTITIES.organisation,
    identity: IDENTITIES.organisation,
    name: "Acme",
    restrictedToAvailableCloudProviders: false,
    slug: { slugValue: "acme" },
    type: "BUSINESS",
    vatCodeValidated: false,
  },
  profile,
  provider,
  region,
  schedule: { ...schedule, clusterCount: 1 },
  zone: { ...dates, id: 1, name: "eu-west-1a", slug: "eu-west-1a" },
};

/** A page that holds one element. */
export const page = (element: object) => ({
  content: [element],
  empty: false,
  first: true,
  last: true,
  number: 0,
  numberOfElements: 1,
  pageable: { offset: 0, pageNumber: 0, pageSize: 50, paged: true, sort: [], unpaged: false },
  size: 50,
  sort: [],
  totalElements: 1,
  totalPages: 1,
});

const certificate = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n";
const issuer = "https://login.example.com";
const apiServer = "https://api.example.com:6443";
const client = { clientId: "kubernetes-my-first-cluster", clientSecret: "…" };

/** An OIDC configuration. */
export const oidcConfig = { caCertificate: certificate, ...client, endpoint: apiServer, issuerUrl: issuer };

const base64 = (text: string) => Buffer.from(text).toString("base64");
const name = "acme.production.my-first-cluster";

/** A kubeconfig. */
export const kubeconfig = {
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name, cluster: { "certificate-authority-data": base64(certificate), server: apiServer } }],
  contexts: [{ name, context: { cluster: name, user: name } }],
  "current-context": name,
  users: [
    {
      name,
      user: {
        exec: {
          apiVersion: "client.authentication.k8s.io/v1",
          args: [
            "oidc-login",
            "get-token",
            `--oidc-issuer-url=${issuer}`,
            `--oidc-client-id=${client.clientId}`,
            `--oidc-client-secret=${client.clientSecret}`,
          ],
          command: "kubectl",
          installHint: "Install kubelogin, the oidc-login plugin of kubectl: kubectl krew install oidc-login",
          interactiveMode: "IfAvailable",
        },
      },
    },
  ],
};

/** A join configuration. */
export const joinConfig = {
  cloudInitUserDataBase64: base64("#cloud-config\n"),
  installScriptBase64: base64("#!/usr/bin/env bash\n"),
  joinCommand:
    "kubeadm join api.example.com:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  kubeletConfigBase64: base64("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"),
  upgradeScriptBase64: base64("#!/usr/bin/env bash\n"),
  versions: { containerd: "2.1.6", crictl: "1.34.0", kubernetes: "1.34.4" },
};
