/** Components of the document: the contract's shapes under the documentation's names. */

import * as v from "valibot";
import { ClusterEventResponse, ClusterEventsResponse } from "#core/cluster/operations/list-events.ts";
import { MessageResponse, UpdatePrometheusRules } from "#core/cluster/operations/prometheus-rules.ts";
import { ClusterUpgradesResponse, NewerVersion, ReachableVersion } from "#core/cluster/operations/upgrades.ts";
import * as Cluster from "#core/cluster/schema.ts";
import * as Upgrade from "#core/cluster/upgrade-schema.ts";
import * as Configuration from "#core/cluster-access/schema.ts";
import { EventChange } from "#core/events/list.ts";
import * as NodePool from "#core/node-pool/schema.ts";
import * as Observability from "#core/observability/schema.ts";
import * as CloudAccount from "#core/references/cloud-accounts/schema.ts";
import * as CloudCredentials from "#core/references/cloud-credentials/schema.ts";
import * as Environment from "#core/references/environments/schema.ts";
import * as MaintenanceSchedule from "#core/references/maintenance-schedules/schema.ts";
import * as Member from "#core/references/members/schema.ts";
import { OrganisationEventResponse, OrganisationEventsResponse } from "#core/references/organisation-events.ts";
import {
  AvailabilityZone,
  CloudProfile,
  CloudProvider,
  ClusterVersion,
  Email,
  MembershipResponse,
  NodeType,
  OrganisationResponse,
  Region,
} from "#core/references/schema.ts";
import * as Token from "#core/references/tokens/schema.ts";
import type * as Write from "#core/request/write.ts";
import { IPRange, identity, int32, int64, Slug } from "#core/shared/schemas.ts";
import { PageableObject, SortObject } from "../api/v1/page.ts";
import { ErrorMessageResponse } from "../http/errors.ts";
import { convert, type JsonSchema } from "./convert.ts";

const ConsequenceNodePool = v.object({
  identity,
  nodes: v.pipe(int32, v.description("Minimum number of its nodes.")),
});

/** Effect of a change: `inPlace` does not affect running nodes, `rollsNodes` replaces or removes them. */
const Consequence = v.object({
  effect: v.picklist(["inPlace", "rollsNodes"] satisfies Write.Effect[]),
  nodePools: v.array(ConsequenceNodePool),
  property: v.string(),
}) satisfies v.GenericSchema<Write.Consequence>;

/** Property that only the response to a dry run has. */
const consequences = v.optional(v.pipe(v.array(Consequence), v.description("Only in the response to a dry run.")));

const textMap = v.record(v.string(), v.string());

/** Kubernetes object that the provisioner would apply to the management cluster. */
const ManifestResponse = v.object({
  apiVersion: v.string(),
  data: v.optional(v.pipe(textMap, v.description("Of a ConfigMap or a Secret. Each value of a Secret is `REDACTED`."))),
  kind: v.string(),
  metadata: v.object({
    annotations: v.optional(textMap),
    labels: v.optional(textMap),
    name: v.string(),
    namespace: v.optional(v.string()),
  }),
  spec: v.optional(v.record(v.string(), v.unknown())),
  type: v.optional(v.pipe(v.string(), v.description("Of a Secret."))),
});

/** Property that only the response to a dry run with `includeManifests=true` has. */
const manifests = v.optional(
  v.pipe(
    v.array(ManifestResponse),
    v.description("Only in the response to a dry run with `includeManifests=true`, in the order of application."),
  ),
);

/**
 * Properties that every response has except that of a dry run. A dry run has the same schema as the real response, so they are optional
 * there. The tests check responses more strictly, because they know which of them were dry runs.
 */
export const generatedProperties = {
  CloudAccountResponse: ["identity"],
  CloudCredentialsResponse: ["createdAt", "identity"],
  ClusterResponse: ["createdAt", "identity", "modifiedAt"],
  ClusterNodePoolResponse: ["createdAt", "id", "identity", "modifiedAt"],
  EnvironmentResponse: ["createdAt", "id", "identity", "modifiedAt"],
  ScheduledClusterUpgradeResponse: ["createdAt", "identity", "modifiedAt"],
  ObservabilityTenant: ["createdAt", "id", "identity", "modifiedAt"],
  SilenceResponse: ["id"],
  MemberResponse: ["createdAt", "memberIdentity", "modifiedAt"],
  NewTokenResponse: ["createdAt", "identity", "token"],
  MaintenanceScheduleResponse: ["identity"],
} as const satisfies Record<string, readonly string[]>;

const GENERATED = "Absent in a dry run of a creation, because the server generates it when it creates the item.";

/**
 * Builds the schema of the response to a write, which is also that of its dry run.
 *
 * @param more schemas of properties that are themselves responses to writes
 */
function responseToWrite(
  name: keyof typeof generatedProperties,
  { entries }: v.ObjectSchema<v.ObjectEntries, undefined>,
  more: v.ObjectEntries = {},
) {
  const generated: readonly string[] = generatedProperties[name];
  const properties = Object.entries(entries).map(([property, schema]) => [
    property,
    generated.includes(property) ? v.optional(v.pipe(schema as v.GenericSchema, v.description(GENERATED))) : schema,
  ]);
  return v.object({ ...(Object.fromEntries(properties) as v.ObjectEntries), consequences, ...more });
}

const MaintenanceScheduleResponse = responseToWrite("MaintenanceScheduleResponse", Cluster.MaintenanceScheduleResponse);
const ObservabilityTenant = responseToWrite("ObservabilityTenant", Cluster.ObservabilityTenant);
const ClusterResponse = responseToWrite("ClusterResponse", Cluster.ClusterResponse, {
  maintenanceSchedule: v.optional(MaintenanceScheduleResponse),
  observabilityTenant: v.optional(ObservabilityTenant),
  manifests,
});
const ClusterNodePoolResponse = responseToWrite("ClusterNodePoolResponse", NodePool.ClusterNodePoolResponse, {
  manifests,
});
const EnvironmentResponse = responseToWrite("EnvironmentResponse", Environment.EnvironmentResponse);
const ScheduledClusterUpgradeResponse = responseToWrite(
  "ScheduledClusterUpgradeResponse",
  Upgrade.ScheduledClusterUpgradeResponse,
);
const SilenceResponse = responseToWrite("SilenceResponse", Observability.SilenceResponse);
const MemberResponse = responseToWrite("MemberResponse", Member.MemberResponse);
const NewTokenResponse = responseToWrite("NewTokenResponse", Token.NewTokenResponse);
const CloudAccountResponse = responseToWrite("CloudAccountResponse", CloudAccount.CloudAccountResponse);
const CloudCredentialsResponse = responseToWrite("CloudCredentialsResponse", CloudCredentials.CloudCredentialsResponse);
const AlertmanagerConfiguration = v.object({ ...Observability.AlertmanagerConfiguration.entries, consequences });

const page = (element: v.GenericSchema) =>
  v.object({
    content: v.array(element),
    empty: v.boolean(),
    first: v.boolean(),
    last: v.boolean(),
    number: int32,
    numberOfElements: int32,
    pageable: PageableObject,
    size: int32,
    sort: v.array(SortObject),
    totalElements: int64,
    totalPages: int32,
  });

const SCHEMAS = {
  Alert: Observability.Alert,
  AlertmanagerConfiguration,
  APIAddon: Cluster.APIAddon,
  ActualClusterStateResponse: Cluster.ActualClusterStateResponse,
  AvailabilityZone,
  AwsCredentials: CloudCredentials.secretsByType.aws,
  AzureCredentials: CloudCredentials.secretsByType.azure,
  CloudAccountReference: Cluster.CloudAccountReference,
  CloudAccountResponse,
  CloudCredentialsReference: Cluster.CloudCredentialsReference,
  CloudCredentialsResponse,
  CloudProfile,
  CloudProvider,
  ClusterEventResponse,
  ClusterEventsResponse,
  ClusterNodePoolResponse,
  ClusterResponse,
  ClusterUpgradesResponse,
  ClusterVersion,
  Consequence,
  ConsequenceNodePool,
  CreateCloudAccount: CloudAccount.CreateCloudAccount,
  CreateCloudCredentials: CloudCredentials.CreateCloudCredentials,
  CreateCluster: Cluster.CreateCluster,
  CreateClusterNodePool: NodePool.CreateClusterNodePool,
  CreateEnvironment: Environment.CreateEnvironment,
  CreateMember: Member.CreateMember,
  CreateMaintenanceSchedule: MaintenanceSchedule.CreateMaintenanceSchedule,
  CreateNodePool: NodePool.CreateNodePool,
  CreateObservabilityTenant: Observability.CreateObservabilityTenant,
  CreateSilence: Observability.CreateSilence,
  CreateSilenceMatcher: Observability.CreateSilenceMatcher,
  CreateToken: Token.CreateToken,
  DigitalOceanCredentials: CloudCredentials.secretsByType.digitalocean,
  DryRunResponse: v.object({ consequences: v.array(Consequence) }),
  Email,
  EnvironmentMemberResponse: Member.EnvironmentMemberResponse,
  EnvironmentResponse,
  EventChange,
  ErrorMessageResponse,
  HetznerCredentials: CloudCredentials.secretsByType.hetzner,
  HealthResponse: v.object({ status: v.literal("ok") }),
  IPRange,
  IpWhitelistRequest: Cluster.IpWhitelistRequest,
  IpWhitelistResponse: Cluster.IpWhitelistResponse,
  JoinConfigResponse: Configuration.JoinConfigResponse,
  JoinConfigVersions: Configuration.JoinConfigVersions,
  KubeconfigResponse: Configuration.KubeconfigResponse,
  MaintenanceScheduleResponse,
  ManifestResponse,
  MaintenanceWindow: MaintenanceSchedule.MaintenanceWindow,
  MaintenanceWindowResponse: Cluster.MaintenanceWindowResponse,
  MemberResponse,
  MessageResponse: v.object({ ...MessageResponse.entries, consequences }),
  MoveCluster: Cluster.MoveCluster,
  NewerVersion,
  NodeTaint: NodePool.NodeTaint,
  NewTokenResponse,
  NodeType,
  OpenStackCredentials: CloudCredentials.secretsByType.openstack,
  OidcConfigResponse: Configuration.OidcConfigResponse,
  ObservabilityTenant,
  ObservabilityTenantClusterRef: Cluster.ObservabilityTenantClusterRef,
  ObservabilityTenantEnvironmentRef: Cluster.ObservabilityTenantEnvironmentRef,
  OrganisationEventResponse,
  OrganisationEventsResponse,
  OrganisationMembershipResponse: MembershipResponse,
  OrganisationResponse,
  PageAvailabilityZone: page(AvailabilityZone),
  PageCloudAccountResponse: page(CloudAccountResponse),
  PageCloudCredentialsResponse: page(CloudCredentialsResponse),
  PageCloudProfile: page(CloudProfile),
  PageCloudProvider: page(CloudProvider),
  PageClusterResponse: page(ClusterResponse),
  PageEnvironmentMemberResponse: page(Member.EnvironmentMemberResponse),
  PageEnvironmentResponse: page(EnvironmentResponse),
  PageMemberResponse: page(MemberResponse),
  PageNodeType: page(NodeType),
  PageObservabilityTenant: page(ObservabilityTenant),
  PageOrganisationMembershipResponse: page(MembershipResponse),
  PageRegion: page(Region),
  PageScheduledClusterUpgradeResponse: page(ScheduledClusterUpgradeResponse),
  PageTokenResponse: page(Token.TokenResponse),
  PageUpdateChannelResponse: page(Cluster.UpdateChannelResponse),
  PageableObject,
  ReachableVersion,
  Region,
  RequestScheduledClusterUpgrade: Upgrade.RequestScheduledClusterUpgrade,
  ScheduledClusterUpgradeResponse,
  SilenceMatcher: Observability.SilenceMatcher,
  SilenceResponse,
  SilenceStatus: Observability.SilenceStatus,
  SetEnvironmentMember: Member.SetEnvironmentMember,
  Slug,
  SortObject,
  TokenResponse: Token.TokenResponse,
  UndeleteCluster: Cluster.UndeleteCluster,
  UpdateAlertmanagerConfiguration: Observability.UpdateAlertmanagerConfiguration,
  UpdateChannelResponse: Cluster.UpdateChannelResponse,
  UpdateCloudAccount: CloudAccount.UpdateCloudAccount,
  UpdateCloudCredentials: CloudCredentials.UpdateCloudCredentials,
  UpdateCluster: Cluster.UpdateCluster,
  UpdateEnvironment: Environment.UpdateEnvironment,
  UpdateMember: Member.UpdateMember,
  UpdateMaintenanceSchedule: MaintenanceSchedule.UpdateMaintenanceSchedule,
  UpdateNodePool: NodePool.UpdateNodePool,
  UpdateObservabilityTenant: Observability.UpdateObservabilityTenant,
  UpdatePrometheusRules,
  VsphereCredentials: CloudCredentials.secretsByType.vsphere,
};

/** Name of a component. */
export type SchemaName = keyof typeof SCHEMAS;

const NOT_SERVED = "0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16 and 224.0.0.0/3";
const WHITELIST = `ipWhitelist names each range once, and none within ${NOT_SERVED}, ::/96, ::1/128, fe80::/10 or ff00::/8.`;
const CLUSTER_BYTES = `All that is stored of a request is at most ${Cluster.MAX_CLUSTER_BYTES} bytes as JSON in UTF-8.`;
const POOL_BYTES = `A node pool is at most ${NodePool.MAX_NODE_POOL_BYTES} bytes as JSON in UTF-8; no two taints have the same key and effect.`;

/** Rules of requests that JSON Schema cannot express. */
const DESCRIPTIONS: { readonly [name in SchemaName]?: string } = {
  CreateCluster: `${CLUSTER_BYTES} ${WHITELIST} clusterPodSubnet and serviceSubnet are IPv4 from /12 to /24, and overlap neither each other nor ${NOT_SERVED}.`,
  UpdateCluster: `${CLUSTER_BYTES} ${WHITELIST}`,
  CreateClusterNodePool: POOL_BYTES,
  CreateNodePool: POOL_BYTES,
  CreateToken:
    "expiresAt is in the future. Each of sources contains addresses that requests can come from. If the token of the request has sources, the new one needs some, each within one of them.",
  SetEnvironmentMember: "At least one property is required.",
  UpdateNodePool: POOL_BYTES,
  VsphereCredentials: "provisionUsername and provisionPassword are given together, or neither.",
};

/** Builds `components.schemas`. */
export function componentSchemas(): Record<string, JsonSchema> {
  const schemas = convert(SCHEMAS);
  return {
    ...schemas,
    ...Object.fromEntries(
      Object.entries(DESCRIPTIONS).map(([name, description]) => [name, { description, ...schemas[name] }]),
    ),
  };
}
