/** Every stored shape there is. For the operator's commands, which go over the whole table. */

import { memberEntity, tokenEntity, userOrganisationEntity, userTokenEntity } from "./access/schema.ts";
import { importEntity } from "./backup/import-mark.ts";
import { referencesEntity, usageEntity } from "./cloud/schema.ts";
import { clusterEntity, eventEntity, pointerEntity, tombstoneEntity } from "./cluster/stored.ts";
import { bootstrapTokensEntity, certificateAuthorityEntity, oidcClientEntity } from "./configuration/stored.ts";
import { environmentEntity } from "./environment/schema.ts";
import { answerEntity } from "./idempotency.ts";
import { chunkEntity } from "./listing/page-index.ts";
import { nodePoolEntity } from "./node-pool/schema.ts";
import { organisationEntity, totalEntity } from "./organisation/schema.ts";
import { simulationEntity } from "./provisioning/simulated/world.ts";
import { keyringEntity } from "./secrets/keyring-record.ts";
import { rotationEntity } from "./secrets/rotate.ts";
import { dataKeyEntity } from "./secrets/vault.ts";
import type { Entity } from "./table/item.ts";

/** What can be done with any of them. */
export type AnyEntity = Pick<Entity<object>, "name" | "version" | "read" | "bring">;

/** All of them. */
export const entities: readonly AnyEntity[] = [
  answerEntity,
  bootstrapTokensEntity,
  certificateAuthorityEntity,
  chunkEntity,
  clusterEntity,
  dataKeyEntity,
  environmentEntity,
  eventEntity,
  importEntity,
  keyringEntity,
  memberEntity,
  nodePoolEntity,
  oidcClientEntity,
  organisationEntity,
  pointerEntity,
  referencesEntity,
  rotationEntity,
  simulationEntity,
  tokenEntity,
  tombstoneEntity,
  totalEntity,
  usageEntity,
  userOrganisationEntity,
  userTokenEntity,
];
