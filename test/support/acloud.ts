/** Requests in the dialect of the published clients, sent and read as those clients do. */

import { expect } from "vitest";
import type { Json, Tenant, TestResponse, World } from "./world.ts";

/** Prefix of the dialect. */
export const BASE = "/acloud/api/v1";

/** Maximum number of pages that the Go client reads before it fails: pages 0 to 101. */
const MAX_PAGES = 102;

/**
 * Types of fields as the Go client decodes them: `string`, `bool`, `int`, `number`, `time`, `strings` (a map of texts), `[]T` (a
 * list), `{}T` (a map), or the name of an object.
 */
type Fields = Readonly<Record<string, string>>;

const PROVIDER: Fields = {
  id: "int",
  name: "string",
  slug: "string",
  available: "bool",
  createdAt: "time",
  modifiedAt: "time",
};

/** Objects of the Go client by the documentation's schema, with the members that it decodes. */
const OBJECTS: Readonly<Record<string, Fields>> = {
  ClusterResponse: {
    ...{ identity: "string", name: "string", slug: "string", description: "string", customerSlug: "string" },
    ...{
      customerIdentity: "string",
      environmentSlug: "string",
      environmentIdentity: "string",
      cloudProvider: "string",
    },
    ...{ region: "string", version: "string", status: "string", desiredStatus: "string", provisionStatus: "string" },
    ...{ cni: "string", podSecurityStandardsProfile: "string", autoUpgrade: "bool", highlyAvailable: "bool" },
    ...{ enableMultiAvailabilityZones: "bool", enableNATGateway: "bool", enableNetworkEncryption: "bool" },
    ...{ enablePodSecurityStandards: "bool", deleteProtection: "bool", ameOIDC: "bool", cpu: "int", memory: "int" },
    ...{ environmentPrometheusRules: "bool", createdAt: "time", modifiedAt: "time", deletedAt: "time" },
    ...{ addons: "{}APIAddon", ipWhitelist: "[]IpWhitelistResponse", updateChannel: "UpdateChannelResponse" },
    ...{ cloudAccount: "CloudAccountReference", cloudCredentials: "CloudCredentialsReference" },
    ...{ maintenanceSchedule: "MaintenanceScheduleResponse", clusterAutoscalerSettings: "AutoscalerSettings" },
    upstreamCluster: "UpstreamCluster",
  },
  APIAddon: { enabled: "bool", customValues: "strings" },
  IpWhitelistResponse: { cidr: "string", description: "string" },
  UpdateChannelResponse: { name: "string", available: "bool", kubernetesClusterVersion: "string" },
  CloudAccountReference: { identity: "string", displayName: "string" },
  CloudCredentialsReference: { identity: "string", displayName: "string" },
  UpstreamCluster: { identity: "string", slug: "string", environmentSlug: "string", version: "string" },
  AutoscalerSettings: {
    "scale-down-utilization-threshold": "number",
    "scale-down-gpu-utilization-threshold": "number",
    "scale-down-delay-after-add": "string",
    "scale-down-unneeded-time": "string",
    "scale-down-unready-time": "string",
    "max-node-provision-time": "string",
    "unremovable-node-recheck-timeout": "string",
  },
  MaintenanceScheduleResponse: { identity: "string", name: "string", windows: "[]MaintenanceWindowResponse" },
  MaintenanceWindowResponse: { day: "string", startTime: "string", duration: "int" },
  ClusterNodePoolResponse: {
    ...{ id: "int", identity: "string", clusterIdentity: "string", name: "string", nodeSize: "string", minSize: "int" },
    ...{ maxSize: "int", autoScaling: "bool", availabilityZone: "string", enableNodeAutoReplacement: "bool" },
    ...{ enableNodeReboots: "bool", upgradeStrategy: "string", securityUpdatesOnJoin: "string", labels: "strings" },
    ...{
      annotations: "strings",
      taints: "[]NodeTaint",
      provisionStatus: "string",
      createdAt: "time",
      modifiedAt: "time",
    },
  },
  NodeTaint: { key: "string", value: "string", effect: "string" },
  JoinConfigResponse: {
    ...{ cloudInitUserDataBase64: "string", installScriptBase64: "string", upgradeScriptBase64: "string" },
    ...{ joinCommand: "string", kubeletConfigBase64: "string", versions: "JoinConfigVersions" },
  },
  JoinConfigVersions: { cloudInit: "string", kubernetes: "string", containerd: "string", crictl: "string" },
  OidcConfigResponse: {
    ...{ endpoint: "string", caCertificate: "string", clientId: "string", clientSecret: "string", issuerUrl: "string" },
  },
  EnvironmentResponse: {
    ...{ id: "int", name: "string", purpose: "string", type: "string", description: "string", slug: "string" },
    ...{ organisationSlug: "string", totalClusters: "int", totalCpu: "int", totalMemory: "int" },
    ...{ createdAt: "time", modifiedAt: "time", deletedAt: "time" },
  },
  CloudAccountResponse: {
    ...{ identity: "string", displayName: "string", enabled: "bool", primaryCloudCredentialsIdentity: "string" },
    ...{ metadata: "strings", cloudProfile: "CloudProfile" },
  },
  CloudProfile: {
    ...{ identity: "string", displayName: "string", metadata: "strings", cloudProvider: "string", regions: "[]string" },
    ...{ enabled: "bool", public: "bool", type: "string", cloudProviderResponse: "CloudProvider" },
    cloudProviderRegionResponses: "[]Region",
  },
  CloudCredentialsResponse: {
    ...{ identity: "string", cloudAccountIdentity: "string", cloudType: "string", displayName: "string" },
    ...{ metadata: "strings", isPrimary: "bool", createdAt: "time" },
  },
  CloudProvider: PROVIDER,
  Region: { ...PROVIDER, provider: "string", restricted: "bool" },
  AvailabilityZone: { id: "int", name: "string", slug: "string", createdAt: "time", modifiedAt: "time" },
  NodeType: { type: "string", cpu: "int", memory: "int" },
  ClusterVersion: { version: "string" },
  OrganisationMembershipResponse: { id: "string", slug: "string", name: "string", email: "string" },
  OrganisationResponse: {
    ...{ id: "string", name: "string", slug: "string", type: "string", vatCode: "string", companyName: "string" },
    ...{ companyAddress: "string", contactEmail: "string", billingEmail: "string", phoneNumber: "string" },
    ...{ vatCodeValidated: "bool", acceptedTerms: "bool", restrictedToAvailableCloudProviders: "bool" },
    ...{ vatCodeValidatedAt: "time", createdAt: "time", acceptedTermsAt: "time" },
  },
  Page: {
    ...{ last: "bool", first: "bool", empty: "bool", totalPages: "int", totalElements: "int", numberOfElements: "int" },
    ...{ number: "int", size: "int", sort: "SortState" },
  },
  ObservabilityTenant: {
    ...{ identity: "string", customer: "string", name: "string", slug: "string", ipWhiteList: "string" },
    ...{ available: "bool", createdAt: "time", modifiedAt: "time", deletedAt: "time" },
  },
  AlertmanagerConfiguration: { ruleFiles: "strings", templateFiles: "strings", alertManagerConfig: "string" },
  Alert: { labels: "strings", annotations: "strings", activeAt: "time", state: "string", value: "string" },
  SilenceResponse: {
    ...{ id: "string", matchers: "[]SilenceMatcher", startsAt: "time", endsAt: "time", createdBy: "string" },
    ...{ comment: "string", status: "SilenceStatus" },
  },
  SilenceMatcher: { name: "string", value: "string", isRegex: "bool", isEqual: "bool" },
  SilenceStatus: { state: "string" },
  SortState: { sorted: "bool", unsorted: "bool", empty: "bool" },
};

/** Members without which a client misbehaves, by schema. Others may be absent. */
export const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  ClusterResponse: [
    "slug",
    "environmentSlug",
    "customerSlug",
    "cloudAccount",
    "cloudProvider",
    "status",
    "version",
    "addons",
  ],
  ClusterNodePoolResponse: ["id", "identity", "clusterIdentity", "securityUpdatesOnJoin", "upgradeStrategy"],
  EnvironmentResponse: ["id", "slug", "organisationSlug"],
  CloudAccountResponse: ["identity", "enabled", "metadata", "cloudProfile"],
  CloudProfile: ["identity", "type"],
  OrganisationMembershipResponse: ["id", "slug"],
  JoinConfigVersions: ["cloudInit"],
  AlertmanagerConfiguration: ["ruleFiles"],
  Page: ["last", "totalElements", "sort"],
};

/** RFC 3339 with a zone: Go refuses others. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Lists what the Go client could not decode, and what it misses.
 *
 * @param type a type as in `Fields`
 * @param value parsed JSON
 */
export function decodeErrors(type: string, value: unknown, path = type): string[] {
  // Absent and null are zero values.
  if (value === undefined || value === null) return [];
  const wrong = [`${path}: ${JSON.stringify(value)?.slice(0, 80)} is no ${type}`];
  if (type.startsWith("[]")) {
    if (!Array.isArray(value)) return wrong;
    return value.flatMap((each, index) => decodeErrors(type.slice(2), each, `${path}[${index}]`));
  }
  switch (type) {
    case "string":
      return typeof value === "string" ? [] : wrong;
    case "bool":
      return typeof value === "boolean" ? [] : wrong;
    case "number":
      return typeof value === "number" ? [] : wrong;
    case "int":
      // Numbers pass through a 64-bit float, so larger ones lose digits.
      return Number.isSafeInteger(value) ? [] : wrong;
    case "time":
      return typeof value === "string" && TIME.test(value) ? [] : wrong;
  }
  if (!isPlainObject(value)) return wrong;
  if (type === "strings") {
    return Object.entries(value).flatMap(([name, each]) => decodeErrors("string", each, `${path}.${name}`));
  }
  if (type.startsWith("{}")) {
    return Object.entries(value).flatMap(([name, each]) => decodeErrors(type.slice(2), each, `${path}.${name}`));
  }
  const fields = OBJECTS[type];
  if (fields === undefined) throw new Error(`the client has no type ${type}`);
  // encoding/json matches names without regard to case.
  const folded = Object.keys(value).map((name) => name.toLowerCase());
  const ambiguous = folded.filter((name, index) => folded.indexOf(name) !== index);
  return [
    ...ambiguous.map((name) => `${path}.${name} is there twice`),
    ...(REQUIRED[type] ?? []).flatMap((name) => (value[name] === undefined ? [`${path}.${name} is missing`] : [])),
    ...Object.entries(fields).flatMap(([name, of]) => decodeErrors(of, value[name], `${path}.${name}`)),
  ];
}

/** True if the client decodes a schema of the table of routes. */
export const isDecoded = (name: string): boolean => Object.hasOwn(OBJECTS, name);

/** Sends requests as the Go client does. */
export interface AcloudClient {
  /** @param path after the prefix */
  send(method: string, path: string, body?: unknown): Promise<TestResponse>;
  /**
   * Sends a request and decodes its response, as the client does: into the type of the caller.
   *
   * @returns the body
   */
  call(type: string, method: string, path: string, body?: unknown): Promise<Json>;
  /** Walks all pages as the client does. @returns the elements, the last page, and the number of requests */
  pages(type: string, path: string): Promise<{ elements: Json[]; last: Json; requests: number }>;
}

/** Headers of the Go client on every request, also without a body. */
const HEADERS = {
  accept: "application/json",
  "content-type": "application/json",
  "user-agent": "client-go",
  // As Go's transport sends it by itself.
  "accept-encoding": "gzip",
};

/** Creates a client of an organisation. @param token token of its caller */
export function acloudClient(
  world: Pick<World, "send">,
  { slug, admin }: Pick<Tenant, "slug" | "admin">,
  token = admin,
): AcloudClient {
  const at = (path: string) => `${BASE}${path.replaceAll("{org}", slug)}`;
  const send: AcloudClient["send"] = (method, path, body) =>
    world.send(method, at(path), { token, headers: HEADERS, ...(body === undefined ? {} : { body }) });
  const call: AcloudClient["call"] = async (type, method, path, body) => {
    const response = await send(method, path, body);
    expect([response.status, response.text.slice(0, 500)]).toEqual([200, expect.anything()]);
    expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
    expect(decodeErrors(type, response.body)).toEqual([]);
    return response.body;
  };
  return {
    send,
    call,
    async pages(type, path) {
      const elements: Json[] = [];
      for (let page = 0; page < MAX_PAGES; page++) {
        const body = await call("Page", "GET", `${path}${path.includes("?") ? "&" : "?"}page=${page}`);
        expect(decodeErrors(`[]${type}`, body.content)).toEqual([]);
        elements.push(...body.content);
        if (body.last === true) return { elements, last: body, requests: page + 1 };
      }
      throw new Error(`the client gives up after ${MAX_PAGES} pages`);
    },
  };
}
