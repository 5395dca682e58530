/** Prerequisites of a cluster: its certificate authority and its OIDC client. */

import type { Prerequisite } from "../provisioning/prerequisite.ts";
import { secretKey } from "../table/keys.ts";
import { Transaction } from "../table/transaction.ts";
import { createCertificateAuthority } from "./certificate-authority.ts";
import { CERTIFICATE_AUTHORITY, certificateAuthorityEntity } from "./entity.ts";
import { createFormerOidcClientPrerequisite, createOidcClientPrerequisite } from "./oidc-client.ts";
import { openOrCreateVault, type PrerequisiteServices } from "./prerequisite-services.ts";

export type { PrerequisiteServices } from "./prerequisite-services.ts";

/** Creates the prerequisites, in their order. */
export const createPrerequisites = (services: PrerequisiteServices): readonly Prerequisite[] => [
  certificateAuthority(services),
  createOidcClientPrerequisite(services),
  createFormerOidcClientPrerequisite(services),
];

function certificateAuthority(services: PrerequisiteServices): Prerequisite {
  return {
    operation: "creating the certificate authority",
    isDone: ({ secrets }) => secrets.has(CERTIFICATE_AUTHORITY),
    async prepare(context, write) {
      const { identity } = context.cluster;
      const now = services.clock();
      const vault = await openOrCreateVault(services, context);
      const { certificate, privateKey } = await createCertificateAuthority(identity, now);
      const item = certificateAuthorityEntity.write(secretKey(identity, CERTIFICATE_AUTHORITY), {
        clusterIdentity: identity,
        certificate,
        sealed: vault.seal(CERTIFICATE_AUTHORITY, { privateKey }),
        createdAt: now.toISOString(),
      });
      const transaction = new Transaction().create("certificate-authority", item);
      vault.bindTo(transaction);
      return await write(transaction);
    },
  };
}
