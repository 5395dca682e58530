/** Steps after an observation of a cluster with an API server: they store its certificate authority and create bootstrap tokens. */

import * as v from "valibot";
import { isBringYourOwn, providerBySlug } from "../catalogue/index.ts";
import type { Cluster } from "../cluster/entity.ts";
import type { FollowUp, FollowUpContext, PrerequisiteContext, Write } from "../provisioning/prerequisite.ts";
import type { BootstrapToken } from "../provisioning/provisioner.ts";
import { openSecret } from "../secrets/vault.ts";
import { secretKey } from "../table/keys.ts";
import { Transaction } from "../table/transaction.ts";
import { withoutPending } from "./bootstrap-tokens.ts";
import {
  BOOTSTRAP_TOKENS,
  type BootstrapTokens,
  bootstrapTokensEntity,
  CERTIFICATE_AUTHORITY,
  certificateAuthorityEntity,
} from "./entity.ts";
import type { PrerequisiteServices } from "./prerequisite-services.ts";

/** Creates the steps, in their order. */
export const createFollowUps = (services: PrerequisiteServices): readonly FollowUp[] => [
  recordCertificateAuthority(services),
  createBootstrapTokens(services),
];

const storedCertificate = ({ secrets }: PrerequisiteContext): string | undefined => {
  const item = secrets.get(CERTIFICATE_AUTHORITY);
  return item && certificateAuthorityEntity.read(item).certificate;
};

function recordCertificateAuthority({ clock }: PrerequisiteServices): FollowUp {
  return {
    operation: "recording the certificate authority",
    isDue: (context, { certificateAuthority }) =>
      certificateAuthority !== undefined && certificateAuthority !== storedCertificate(context),
    run({ cluster, observation }, write) {
      const item = certificateAuthorityEntity.write(secretKey(cluster.identity, CERTIFICATE_AUTHORITY), {
        clusterIdentity: cluster.identity,
        certificate: observation.certificateAuthority ?? "",
        createdAt: clock().toISOString(),
      });
      return write(new Transaction().put("certificate-authority", item));
    },
  };
}

const Tokens = v.record(v.string(), v.string());

const storedTokens = ({ secrets }: PrerequisiteContext): BootstrapTokens | undefined => {
  const item = secrets.get(BOOTSTRAP_TOKENS);
  return item && bootstrapTokensEntity.read(item);
};

function createBootstrapTokens(services: PrerequisiteServices): FollowUp {
  return {
    operation: "creating the bootstrap tokens",
    isDue(context, { endpoint }) {
      const { sealed, revoked = [] } = storedTokens(context) ?? {};
      return endpoint !== undefined && (sealed !== undefined || revoked.length > 0) && hasApiServer(context.cluster);
    },
    async run(context, write, signal) {
      const before = storedTokens(context);
      if (before === undefined) return false;
      const tokens = await pendingTokens(services, context, before);
      await context.provisioner.updateBootstrapTokens?.(context, tokens, before.revoked ?? [], signal);
      return await storeWithoutPending(context, before, write);
    },
  };
}

/** Returns whether a cluster has an API server by its request. A stopped cluster has none if its control plane is pods. */
function hasApiServer({ cloudProvider, desiredStatus }: Cluster): boolean {
  const type = providerBySlug(cloudProvider)?.type;
  return desiredStatus !== "stopping" || type === undefined || !isBringYourOwn(type);
}

/** Decrypts the tokens that are not created yet, without expired ones. */
async function pendingTokens(
  { table, keyring, clock }: PrerequisiteServices,
  { cluster, secrets }: FollowUpContext,
  { tokens }: BootstrapTokens,
): Promise<BootstrapToken[]> {
  const pending = await openSecret(table, keyring, cluster.identity, secrets, BOOTSTRAP_TOKENS, Tokens);
  const now = clock().toISOString();
  return tokens.flatMap(({ id, expiresAt }) => {
    const token = pending?.[id];
    return token === undefined || expiresAt <= now ? [] : [{ token, expiresAt }];
  });
}

function storeWithoutPending({ cluster }: FollowUpContext, before: BootstrapTokens, write: Write): Promise<boolean> {
  const item = bootstrapTokensEntity.write(secretKey(cluster.identity, BOOTSTRAP_TOKENS), withoutPending(before));
  const condition = { condition: "#revision = :before", values: { ":before": before.revision } };
  return write(new Transaction().put("bootstrap-tokens", item, condition));
}
