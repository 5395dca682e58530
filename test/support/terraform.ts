/**
 * Resources of the Terraform provider for acloud: the requests that each sends, in its order, and what it compares in a plan. Written
 * from observed requests of the provider, so that plans are tested without Terraform.
 */

import { isDeepStrictEqual } from "node:util";
import type { AcloudClient } from "./acloud.ts";
import type { Json } from "./world.ts";

/** Attributes of a resource by their names in Terraform. */
type Attributes = Readonly<Record<string, unknown>>;

/** Resource of the provider. */
export interface Resource<Config extends Attributes> {
  /** Creates it. @returns its state: what the provider keeps to find it again */
  create(client: AcloudClient, config: Config): Promise<Json>;
  /** Reads it, as each plan does. @returns the attributes that the plan compares */
  read(client: AcloudClient, config: Config, state: Json): Promise<Attributes>;
  update(client: AcloudClient, config: Config, state: Json): Promise<Json>;
  remove(client: AcloudClient, config: Config, state: Json): Promise<void>;
  /** Returns the configuration as the plan compares it: with defaults. */
  planned(config: Config): Attributes;
}

/** Lists the differences between a configuration and what a read returned: what `terraform plan` would change. */
export async function plan<Config extends Attributes>(
  resource: Resource<Config>,
  client: AcloudClient,
  config: Config,
  state: Json,
): Promise<string[]> {
  const [read, planned] = [await resource.read(client, config, state), resource.planned(config)];
  return Object.keys({ ...read, ...planned })
    .filter((name) => !isDeepStrictEqual(read[name], planned[name]))
    .map((name) => `${name}: ${JSON.stringify(read[name])} -> ${JSON.stringify(planned[name])}`);
}

/** Add-on as the provider keeps it: without custom values the map is empty. */
interface Addon {
  enabled: boolean;
  customValues?: Readonly<Record<string, string>>;
}

/** Add-ons that the provider adds to every configuration. */
const DEFAULT_ADDONS: Readonly<Record<string, Addon>> = {
  amePool: { enabled: false },
  certManager: { enabled: false },
  cloudNativePG: { enabled: false },
  defaultNetworkPolicies: { enabled: true },
  fluxOperator: { enabled: false },
  gpu: { enabled: false },
  ingressController: { enabled: false, customValues: { type: "ingress-nginx" } },
  kured: {
    enabled: true,
    customValues: {
      endTime: "06:00",
      forceReboot: "false",
      rebootDays: "sun,mon,tue,wed,thu,fri,sat",
      startTime: "0:00",
      timeZone: "UTC",
    },
  },
  logging: { enabled: false },
  monitoring: { enabled: false },
  nfs: { enabled: false },
  sealedSecrets: { enabled: false },
};

/** Deletes a resource as the provider does: every status from 200 to 299 is a success. */
async function deleteAt(client: AcloudClient, path: string): Promise<void> {
  const { status } = await client.send("DELETE", path);
  if (status < 200 || status > 299) throw new Error(`DELETE ${path} returned ${status}`);
}

/** Configuration of `acloud_cluster`. */
export interface ClusterConfig extends Attributes {
  environment: string;
  name: string;
  region: string;
  cloud_account_identity: string;
  version: string;
  update_channel?: string | undefined;
  description?: string;
  cni?: string;
  pod_security_standards_profile?: string;
  enable_multi_availability_zones?: boolean;
  enable_private_cluster?: boolean;
  enable_network_encryption?: boolean;
  enable_high_available_control_plane?: boolean;
  enable_auto_upgrade?: boolean;
  maintenance_schedule_id?: string | undefined;
  stopped?: boolean;
  addons?: Readonly<Record<string, Addon>>;
}

const clusters = ({ environment }: ClusterConfig) => `/orgs/{org}/clusters/${environment}`;
const addonsOf = ({ addons = {} }: ClusterConfig) => ({ ...DEFAULT_ADDONS, ...addons });

/** Returns a member of a body only if it is set, as Go's `omitempty`. */
const ifSet = (name: string, value: string | undefined) =>
  value === undefined || value === "" ? {} : { [name]: value };

/** The client renames this status. */
const statusOf = ({ status }: Json) => (status === "started" ? "running" : status);

/** Body of a creation. */
export const clusterCreation = (config: ClusterConfig): Json => ({
  name: config.name,
  environmentId: "",
  ...ifSet("description", config.description),
  cloudAccountIdentity: config.cloud_account_identity,
  region: config.region,
  version: config.version,
  ...ifSet("updateChannel", config.update_channel),
  ...ifSet("cni", config.cni),
  enableNATGateway: config.enable_private_cluster ?? false,
  enableNetworkEncryption: config.enable_network_encryption ?? true,
  enablePodSecurityStandards: false,
  podSecurityStandardsProfile: config.pod_security_standards_profile ?? "PRIVILEGED",
  enableMultiAvailabilityZones: config.enable_multi_availability_zones ?? true,
  enableAutoUpgrade: config.enable_auto_upgrade ?? false,
  enableHighAvailability: config.enable_high_available_control_plane ?? false,
  ...ifSet("maintenanceScheduleIdentity", config.maintenance_schedule_id),
  nodePools: [],
  addons: addonsOf(config),
});

/**
 * `acloud_cluster`. Its waits are not part of it: the caller lets the cluster reach its status.
 *
 * @param previous configuration before the last change, to know whether add-ons changed
 */
export const clusterResource: Resource<ClusterConfig> & {
  /** Waits as the provider does until the cluster is in the wanted status. */
  isThere(client: AcloudClient, config: ClusterConfig, state: Json): Promise<boolean>;
} = {
  async create(client, config) {
    const created = await client.call("ClusterResponse", "POST", clusters(config), clusterCreation(config));
    return {
      slug: created.slug,
      identity: created.identity,
      cloudProvider: created.cloudProvider,
      addons: config.addons,
    };
  },
  async isThere(client, config, { slug }) {
    const read = await client.call("ClusterResponse", "GET", `${clusters(config)}/${slug}`);
    return statusOf(read) === (config.stopped === true ? "stopped" : "running");
  },
  async read(client, config, { slug }) {
    const read = await client.call("ClusterResponse", "GET", `${clusters(config)}/${slug}?show-compute=true`);
    const addons = Object.fromEntries(
      Object.entries<Json>(read.addons).map(([name, { enabled = false, customValues = {} }]) => [
        name,
        { enabled, customValues },
      ]),
    );
    return {
      name: read.name,
      region: read.region,
      version: read.version,
      description: read.description ?? "",
      cni: read.cni ?? "",
      pod_security_standards_profile: read.podSecurityStandardsProfile,
      enable_multi_availability_zones: read.enableMultiAvailabilityZones,
      enable_private_cluster: read.enableNATGateway,
      enable_network_encryption: read.enableNetworkEncryption,
      enable_high_available_control_plane: read.highlyAvailable,
      enable_auto_upgrade: read.autoUpgrade,
      maintenance_schedule_id: read.maintenanceSchedule?.identity ?? "",
      // An object is not kept in the state: only whether there is none shows.
      update_channel:
        config.update_channel !== undefined && read.updateChannel === undefined ? "" : (config.update_channel ?? ""),
      addons,
    };
  },
  planned: (config) => ({
    name: config.name,
    region: config.region,
    version: config.version,
    description: config.description ?? "",
    cni: config.cni ?? "",
    pod_security_standards_profile: config.pod_security_standards_profile ?? "PRIVILEGED",
    enable_multi_availability_zones: config.enable_multi_availability_zones ?? true,
    enable_private_cluster: config.enable_private_cluster ?? false,
    enable_network_encryption: config.enable_network_encryption ?? true,
    enable_high_available_control_plane: config.enable_high_available_control_plane ?? false,
    enable_auto_upgrade: config.enable_auto_upgrade ?? false,
    maintenance_schedule_id: config.maintenance_schedule_id ?? "",
    update_channel: config.update_channel ?? "",
    addons: Object.fromEntries(
      Object.entries(addonsOf(config)).map(([name, { enabled, customValues = {} }]) => [
        name,
        { enabled, customValues },
      ]),
    ),
  }),
  async update(client, config, state) {
    const path = `${clusters(config)}/${state.slug}`;
    const read = await client.call("ClusterResponse", "GET", path);
    const isStopped = config.stopped === true;
    const isWanted = statusOf(read) === (isStopped ? "stopped" : "running");
    const patched = await client.call("ClusterResponse", "PATCH", path, {
      ...(isWanted ? {} : { status: isStopped ? "stopping" : "starting" }),
      version: config.version,
      updateChannel: config.update_channel ?? "",
      enableNetworkEncryption: config.enable_network_encryption ?? true,
      enableAutoUpgrade: config.enable_auto_upgrade ?? false,
      enableHighAvailability: config.enable_high_available_control_plane ?? false,
      podSecurityStandardsProfile: config.pod_security_standards_profile ?? "PRIVILEGED",
      maintenanceScheduleIdentity: config.maintenance_schedule_id ?? "",
      ...(isDeepStrictEqual(config.addons, state.addons) ? {} : { addons: addonsOf(config) }),
    });
    return { ...state, addons: config.addons, status: statusOf(patched) };
  },
  async remove(client, config, { slug }) {
    await client.call("ClusterResponse", "PATCH", `${clusters(config)}/${slug}`, { status: "deleting" });
  },
};

/** Configuration of `acloud_environment`. */
export interface EnvironmentConfig extends Attributes {
  name: string;
  type: string;
  purpose?: string;
  description?: string;
}

const environmentBody = ({ name, type, purpose = "", description = "" }: EnvironmentConfig) => ({
  name,
  purpose,
  type,
  description,
});

/** `acloud_environment`. */
export const environmentResource: Resource<EnvironmentConfig> = {
  async create(client, config) {
    const path = "/orgs/{org}/environments";
    const { id, slug } = await client.call("EnvironmentResponse", "POST", path, environmentBody(config));
    return { id: `${id}`, slug };
  },
  async read(client, _config, { slug }) {
    const path = `/orgs/{org}/environments/${slug}?show-compute=true`;
    const read = await client.call("EnvironmentResponse", "GET", path);
    return { ...environmentBody(read), hasId: read.id > 0, hasSlug: read.slug === slug };
  },
  planned: (config) => ({ ...environmentBody(config), hasId: true, hasSlug: true }),
  async update(client, config, state) {
    const path = `/orgs/{org}/environments/${state.slug}`;
    const { slug } = await client.call("EnvironmentResponse", "PATCH", path, environmentBody(config));
    return { ...state, slug };
  },
  remove: (client, _config, { slug }) => deleteAt(client, `/orgs/{org}/environments/${slug}`),
};

/** Configuration of `acloud_cloud_account`. */
export interface CloudAccountConfig extends Attributes {
  display_name: string;
  cloud_profile_identity: string;
  enabled?: boolean;
  vsphere_parent_folder?: string;
  vsphere_parent_resource_pool?: string;
  openstack_tenant_id?: string;
}

const ACCOUNTS = "/orgs/{org}/cloud-accounts";

/** Finds an account in the list: the provider reads no single account. */
async function findAccount(client: AcloudClient, identity: string): Promise<Json> {
  const { elements } = await client.pages("CloudAccountResponse", ACCOUNTS);
  const found = elements.find((account) => account.identity === identity);
  if (found === undefined) throw new Error(`cloud account ${identity} was not found`);
  return found;
}

/** `acloud_cloud_account`. Its profile and its metadata cannot change: another value replaces the account. */
export const cloudAccountResource: Resource<CloudAccountConfig> = {
  async create(client, config) {
    const { identity, enabled } = await client.call("CloudAccountResponse", "POST", ACCOUNTS, {
      displayName: config.display_name,
      cloudProfile: config.cloud_profile_identity,
      metadata: {
        ...ifSet("parentResourcePool", config.vsphere_parent_resource_pool),
        ...ifSet("parentFolder", config.vsphere_parent_folder),
        ...ifSet("tenantId", config.openstack_tenant_id),
      },
    });
    return { identity, enabled };
  },
  async read(client, _config, { identity }) {
    const read = await findAccount(client, identity);
    return {
      display_name: read.displayName,
      enabled: read.enabled,
      cloud_profile_identity: read.cloudProfile.identity,
      vsphere_parent_folder: read.metadata.parentFolder ?? "",
      vsphere_parent_resource_pool: read.metadata.parentResourcePool ?? "",
      openstack_tenant_id: read.metadata.tenantId ?? "",
    };
  },
  planned: (config) => ({
    display_name: config.display_name,
    enabled: config.enabled ?? true,
    cloud_profile_identity: config.cloud_profile_identity,
    vsphere_parent_folder: config.vsphere_parent_folder ?? "",
    vsphere_parent_resource_pool: config.vsphere_parent_resource_pool ?? "",
    openstack_tenant_id: config.openstack_tenant_id ?? "",
  }),
  async update(client, config, state) {
    await client.call("CloudAccountResponse", "PATCH", `${ACCOUNTS}/${state.identity}`, {
      displayName: config.display_name,
      enabled: config.enabled ?? true,
      primaryCloudCredentials: "",
    });
    await findAccount(client, state.identity);
    return state;
  },
  remove: (client, _config, { identity }) => deleteAt(client, `${ACCOUNTS}/${identity}`),
};

/** Configuration of `acloud_maintenance_schedule`. */
export interface MaintenanceScheduleConfig extends Attributes {
  name: string;
  windows: readonly { day: string; start_time: string; duration: number }[];
}

const SCHEDULES = "/organisations/{org}/maintenance-schedule";

const scheduleBody = ({ name, windows }: MaintenanceScheduleConfig) => ({
  name,
  windows: windows.map(({ day, start_time: startTime, duration }) => ({ day, startTime, duration })),
});

/** `acloud_maintenance_schedule`: each of its writes reads it afterwards. */
export const maintenanceScheduleResource: Resource<MaintenanceScheduleConfig> = {
  async create(client, config) {
    const body = scheduleBody(config);
    const { identity } = await client.call("MaintenanceScheduleResponse", "POST", SCHEDULES, body);
    await client.call("MaintenanceScheduleResponse", "GET", `${SCHEDULES}/${identity}`);
    return { identity };
  },
  async read(client, config, { identity }) {
    const read = await client.call("MaintenanceScheduleResponse", "GET", `${SCHEDULES}/${identity}`);
    // Windows are not read back, except that an empty list clears them.
    return { name: read.name, windows: read.windows.length === 0 ? [] : config.windows };
  },
  planned: ({ name, windows }) => ({ name, windows }),
  async update(client, config, state) {
    const path = `${SCHEDULES}/${state.identity}`;
    await client.call("MaintenanceScheduleResponse", "PATCH", path, scheduleBody(config));
    await client.call("MaintenanceScheduleResponse", "GET", path);
    return state;
  },
  remove: (client, _config, { identity }) => deleteAt(client, `${SCHEDULES}/${identity}`),
};

/** Taint of a node pool. */
interface Taint {
  key: string;
  value: string;
  effect: string;
}

/** Configuration of `acloud_nodepool`. */
export interface NodePoolConfig extends Attributes {
  environment: string;
  /** Slug of the cluster. */
  cluster: string;
  name: string;
  node_size: string;
  upgrade_strategy: string;
  node_count?: number;
  min_size?: number;
  max_size?: number;
  auto_scaling?: boolean;
  availability_zone?: string;
  node_auto_replacement?: boolean;
  annotations?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
  taints?: readonly Taint[];
}

const clusterOf = ({ environment, cluster }: NodePoolConfig) => `/orgs/{org}/clusters/${environment}/${cluster}`;

const readCluster = (client: AcloudClient, config: NodePoolConfig) =>
  client.call("ClusterResponse", "GET", clusterOf(config));

/** `acloud_nodepool`: each of its steps reads the cluster first. */
export const nodePoolResource: Resource<NodePoolConfig> = {
  async create(client, config) {
    await readCluster(client, config);
    const { auto_scaling: autoScaling = false, node_count: count = 1 } = config;
    const created = await client.call("ClusterNodePoolResponse", "POST", `${clusterOf(config)}/pools`, {
      name: config.name,
      nodeSize: config.node_size,
      minSize: autoScaling ? (config.min_size ?? 1) : count,
      maxSize: autoScaling ? (config.max_size ?? 1) : count,
      autoScaling,
      ...ifSet("availabilityZone", config.availability_zone),
      enableNodeAutoReplacement: config.node_auto_replacement ?? true,
      enableNodeReboots: false,
      upgradeStrategy: config.upgrade_strategy,
      annotations: config.annotations ?? {},
      labels: config.labels ?? {},
      taints: config.taints ?? [],
    });
    return { id: `${created.id}` };
  },
  async read(client, config, { id }) {
    await readCluster(client, config);
    const pools = await client.call("[]ClusterNodePoolResponse", "GET", `${clusterOf(config)}/pools`);
    const found = pools.find((pool: Json) => `${pool.id}` === id);
    if (found === undefined) throw new Error(`node pool ${id} was not found`);
    return {
      name: found.name,
      node_size: found.nodeSize,
      auto_scaling: found.autoScaling,
      min_size: found.minSize,
      max_size: found.maxSize,
      availability_zone: found.availabilityZone ?? "",
      node_auto_replacement: found.enableNodeAutoReplacement,
      annotations: found.annotations,
      labels: found.labels,
      // Taints are not read back, except that an empty list clears them.
      taints: found.taints.length === 0 ? [] : (config.taints ?? []),
      hasIdentity: found.identity !== "",
    };
  },
  planned: (config) => ({
    name: config.name,
    node_size: config.node_size,
    auto_scaling: config.auto_scaling ?? false,
    min_size: config.min_size ?? 1,
    max_size: config.max_size ?? 1,
    availability_zone: config.availability_zone ?? "",
    node_auto_replacement: config.node_auto_replacement ?? true,
    annotations: config.annotations ?? {},
    labels: config.labels ?? {},
    taints: config.taints ?? [],
    hasIdentity: true,
  }),
  async update(client, config, state) {
    await readCluster(client, config);
    await client.call("ClusterNodePoolResponse", "PUT", `${clusterOf(config)}/pools/${state.id}`, {
      name: "",
      nodeSize: config.node_size,
      minSize: config.min_size ?? 1,
      maxSize: config.max_size ?? 1,
      autoScaling: false,
      enableNodeAutoReplacement: false,
      enableNodeReboots: false,
      annotations: config.annotations ?? {},
      labels: config.labels ?? {},
      taints: config.taints ?? [],
    });
    return state;
  },
  async remove(client, config, { id }) {
    await readCluster(client, config);
    await deleteAt(client, `${clusterOf(config)}/pools/${id}`);
  },
};
