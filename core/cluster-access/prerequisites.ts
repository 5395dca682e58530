/** Prerequisites of a cluster: its certificate authority and its OIDC client. */

import { registeredOidcClient } from "../provisioning/oidc-client.ts";
import type { Prerequisite } from "../provisioning/prerequisite.ts";
import type { StoredSecrets } from "../secrets/vault.ts";
import { Transaction } from "../table/transaction.ts";
import { certificateAuthorityItem } from "./certificate-authority.ts";
import { CERTIFICATE_AUTHORITY, OIDC_CLIENT } from "./entity.ts";
import { createFollowUps } from "./follow-ups.ts";
import { createFormerOidcClientPrerequisite, createOidcClientPrerequisite } from "./oidc-client.ts";
import { openOrCreateVault, type PrerequisiteServices } from "./prerequisite-services.ts";

export type { PrerequisiteServices } from "./prerequisite-services.ts";

/** Creates the prerequisites, in their order. A cluster with an API server has its own certificate authority. */
export const createPrerequisites = (services: PrerequisiteServices): readonly Prerequisite[] => [
  ...(services.provisioner.hasApiServers ? [] : [certificateAuthority(services)]),
  createOidcClientPrerequisite(services),
  createFormerOidcClientPrerequisite(services),
];

/** Creates the steps of a reconciler that give access to clusters. */
export const createClusterAccess = (services: PrerequisiteServices) => ({
  prerequisites: createPrerequisites(services),
  followUps: createFollowUps(services),
  oidcClientOf: (secrets: StoredSecrets) => registeredOidcClient(secrets.get(OIDC_CLIENT)),
});

function certificateAuthority(services: PrerequisiteServices): Prerequisite {
  return {
    operation: "creating the certificate authority",
    // The first registration of a client also creates the authority.
    isDone: ({ secrets }) => secrets.has(CERTIFICATE_AUTHORITY) || !secrets.has(OIDC_CLIENT),
    async prepare(context, write) {
      const vault = await openOrCreateVault(services, context);
      const item = await certificateAuthorityItem(context.cluster, vault, services.clock());
      const transaction = new Transaction().create("certificate-authority", item);
      vault.bindTo(transaction);
      return await write(transaction);
    },
  };
}
