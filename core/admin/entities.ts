/** All stored entities, for the operator's commands, which process the whole table. */

import { clusterEntity, pointerEntity, tombstoneEntity } from "../cluster/entity.ts";
import { scheduledUpgradeEntity } from "../cluster/upgrade-entity.ts";
import { bootstrapTokensEntity, certificateAuthorityEntity, oidcClientEntity } from "../cluster-access/entity.ts";
import { eventEntity } from "../events/entity.ts";
import { chunkEntity } from "../listing/page-index.ts";
import { nodePoolEntity } from "../node-pool/entity.ts";
import { configurationEntity, silencesEntity, tenantEntity } from "../observability/entity.ts";
import { managementClusterEntity } from "../provisioning/cluster-api/management-cluster.ts";
import { simulationEntity } from "../provisioning/simulated/simulation.ts";
import { storedResponseEntity } from "../request/idempotency.ts";
import { cloudSecretEntity } from "../secrets/cloud-secrets.ts";
import { keyringEntity } from "../secrets/keyring-record.ts";
import { dataKeyEntity } from "../secrets/vault.ts";
import type { Entity } from "../table/entity.ts";
import { environmentEntity } from "../tenancy/environment.ts";
import {
  memberEmailEntity,
  memberEntity,
  tokenCountEntity,
  tokenEntity,
  userOrganisationEntity,
  userTokenEntity,
} from "../tenancy/member.ts";
import { organisationEntity, totalEntity } from "../tenancy/organisation.ts";
import { referencesEntity, usageEntity } from "../tenancy/references-entity.ts";
import { importEntity } from "./backup/import-lock.ts";
import { rotationEntity } from "./rotate-secrets.ts";

/** Operations that every entity has. */
type AnyEntity = Pick<Entity<object>, "name" | "version" | "attributes" | "read" | "upgrade">;

/** All entities. */
export const entities: readonly AnyEntity[] = [
  storedResponseEntity,
  bootstrapTokensEntity,
  certificateAuthorityEntity,
  chunkEntity,
  cloudSecretEntity,
  clusterEntity,
  configurationEntity,
  dataKeyEntity,
  environmentEntity,
  eventEntity,
  importEntity,
  keyringEntity,
  managementClusterEntity,
  memberEmailEntity,
  memberEntity,
  nodePoolEntity,
  oidcClientEntity,
  organisationEntity,
  pointerEntity,
  referencesEntity,
  rotationEntity,
  scheduledUpgradeEntity,
  silencesEntity,
  simulationEntity,
  tenantEntity,
  tokenCountEntity,
  tokenEntity,
  tombstoneEntity,
  totalEntity,
  usageEntity,
  userOrganisationEntity,
  userTokenEntity,
];
