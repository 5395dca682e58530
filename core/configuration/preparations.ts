/** The steps that give a cluster what its nodes and clients need. */

import type { Preparation } from "../provisioning/preparation.ts";
import { secretKey } from "../table/keys.ts";
import { Transaction } from "../table/transact.ts";
import { makeCertificateAuthority } from "./certificate-authority.ts";
import { formerOidcClient, oidcClient } from "./oidc-client.ts";
import { type PreparationServices, vaultOf } from "./preparation-services.ts";
import { CERTIFICATE_AUTHORITY, certificateAuthorityEntity } from "./stored.ts";

export type { PreparationServices } from "./preparation-services.ts";

/** The steps in their order. */
export const preparationsWith = (services: PreparationServices): readonly Preparation[] => [
  certificateAuthority(services),
  oidcClient(services),
  formerOidcClient(services),
];

function certificateAuthority(services: PreparationServices): Preparation {
  return {
    operation: "making the certificate authority",
    isDone: ({ held }) => held.has(CERTIFICATE_AUTHORITY),
    async prepare(prepared, write) {
      const { identity } = prepared.cluster;
      const now = services.clock();
      const vault = await vaultOf(services, prepared);
      const { certificate, privateKey } = await makeCertificateAuthority(identity, now);
      const item = certificateAuthorityEntity.write(secretKey(identity, CERTIFICATE_AUTHORITY), {
        clusterIdentity: identity,
        certificate,
        sealed: vault.seal(CERTIFICATE_AUTHORITY, { privateKey }),
        createdAt: now.toISOString(),
      });
      const transaction = new Transaction().create("certificate-authority", item);
      vault.hold(transaction);
      return await write(transaction);
    },
  };
}
