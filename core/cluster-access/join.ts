/** Issues join configurations, with which machines become nodes of a cluster. */

import * as v from "valibot";
import type { EventOf } from "../cluster/event-types.ts";
import { findNodePool } from "../cluster/operations/node-pool-read.ts";
import { nodeVersionOf } from "../cluster/rules/versions.ts";
import { appendEvent } from "../cluster/store/event-log.ts";
import { markDueForRetry } from "../cluster/store/pointer.ts";
import type { Context } from "../context.ts";
import { requesterOf } from "../events/event-log.ts";
import { buildJoinDocuments } from "../node-bootstrap/documents.ts";
import { findNodeSoftware } from "../node-bootstrap/software.ts";
import { isLive } from "../node-pool/rules.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { openVault, readSecrets, type Vault } from "../secrets/vault.ts";
import { conflict } from "../shared/errors.ts";
import { deadlineIn } from "../shared/retry.ts";
import { pointerKey, secretKey } from "../table/keys.ts";
import { commit, Transaction, writeTimedOut } from "../table/transaction.ts";
import {
  type AuthorizedConfiguration,
  authorizeConfiguration,
  type ConfigurationInput,
  deletingError,
  notReadyError,
} from "./authorize.ts";
import { addToken, generateToken } from "./bootstrap-tokens.ts";
import { BOOTSTRAP_TOKENS, type BootstrapTokens, bootstrapTokensEntity } from "./entity.ts";
import type { JoinConfigResponse } from "./schema.ts";

/** Path of a cluster, and optionally the numeric id or identity of the node pool that the machine joins. */
interface JoinInput extends ConfigurationInput {
  nodePool?: string;
}

const WHAT = "join configuration";

/**
 * Issues a join configuration: a new bootstrap token and documents that contain it. Three round trips. The reconciler creates the token
 * in a cluster with an API server.
 *
 * @param keyring encrypts the token until the reconciler has created it
 * @throws AppError as `authorizeConfiguration`, if the caller is no admin; not found if the pool does not exist; conflict if the pool
 *   is being deleted, or if the catalogue lacks the software of the version; unavailable
 */
export async function issueJoinConfig(
  context: Context,
  keyring: Keyring,
  input: JoinInput,
): Promise<JoinConfigResponse> {
  const { nodePool } = input;
  const configured = await authorizeConfiguration(context, input, {
    role: "admin",
    what: WHAT,
    phase: "CLUSTER_PROVISIONED",
    withPools: nodePool !== undefined,
  });
  const { cluster, certificate, endpoint, pools } = configured;
  const pool = nodePool === undefined ? undefined : findNodePool(pools, { nodePool, cluster: cluster.slug });
  if (pool !== undefined && !isLive(pool)) {
    throw conflict("node_pool.deleting", `The node pool "${pool.name}" is being deleted: no machine can join it.`);
  }
  if (endpoint === undefined) throw notReadyError(WHAT, cluster);
  const token = generateToken();
  const { serviceSubnet } = cluster;
  const version = nodeVersionOf(cluster, configured.observedVersion);
  const software = findNodeSoftware(version);
  if (software === undefined) {
    throw conflict(
      "cluster.version_not_offered",
      `No machine can join the cluster: the software of nodes of its version ${version} is not offered any more; change the version first.`,
    );
  }
  const given = { endpoint, certificate, token, version, serviceSubnet };
  const documents = buildJoinDocuments(pool === undefined ? given : { ...given, pool }, software);
  await storeToken(context, keyring, configured, token, pool?.identity);
  return documents;
}

/** Stores the hash of the token and an event. After a conflict, the failed condition returns the current tokens without a read. */
async function storeToken(
  context: Context,
  keyring: Keyring,
  configured: AuthorizedConfiguration,
  token: string,
  poolIdentity: string | undefined,
): Promise<void> {
  const deadline = deadlineIn(context.writeTimeoutMs);
  const { identity } = configured.cluster;
  let secrets = configured.secrets;
  for (;;) {
    const vault = context.provisioner.hasApiServers
      ? await openVault(context.table, keyring, identity, secrets)
      : undefined;
    const item = secrets.get(BOOTSTRAP_TOKENS);
    const before = item && bootstrapTokensEntity.read(item);
    const isRotating = before?.sealed !== undefined && before.sealed.keyId !== vault?.keyId;
    const failures = isRotating
      ? []
      : await commit(
          context.table,
          addTokenWrite(context, configured, { before, vault, token, poolIdentity }),
          deadline,
        );
    if (failures.length === 0 && !isRotating) return;
    if (failures.some(({ label }) => label === "pointer")) throw deletingError(WHAT, configured.cluster);
    if (deadline.expired()) throw writeTimedOut();
    const present = failures.find(({ label }) => label === TOKENS)?.present;
    secrets =
      present === undefined
        ? await readSecrets(context.table, identity)
        : new Map([...secrets, [BOOTSTRAP_TOKENS, present]]);
  }
}

/** Token to store. */
interface NewToken {
  before: BootstrapTokens | undefined;
  /** Encrypts the token until the reconciler has created it in the cluster; undefined if there is no API server. */
  vault: Vault | undefined;
  token: string;
  poolIdentity: string | undefined;
}

const Pending = v.record(v.string(), v.string());

/** Adds a token to those that the reconciler has to create, and the revoked ones to those that it has to delete. */
function withPending(
  vault: Vault,
  before: BootstrapTokens | undefined,
  added: ReturnType<typeof addToken>,
  token: string,
) {
  const pending = before?.sealed === undefined ? {} : vault.open(BOOTSTRAP_TOKENS, before.sealed, Pending);
  const valid = Object.entries(pending).filter(([id]) => added.after.tokens.some((each) => each.id === id));
  const id = added.after.tokens.at(-1)?.id ?? "";
  return {
    ...added.after,
    sealed: vault.seal(BOOTSTRAP_TOKENS, { ...Object.fromEntries(valid), [id]: token }),
    revoked: [...(before?.revoked ?? []), ...added.revoked],
  };
}

const TOKENS = "bootstrap-tokens";

function addTokenWrite(
  context: Context,
  { cluster: { identity }, actor }: AuthorizedConfiguration,
  { before, vault, token, poolIdentity }: NewToken,
): Transaction {
  const now = context.clock();
  const added = addToken(before, identity, token, now);
  const { revoked } = added;
  const after = vault === undefined ? added.after : withPending(vault, before, added, token);
  const transaction = new Transaction().put(
    TOKENS,
    bootstrapTokensEntity.write(secretKey(identity, BOOTSTRAP_TOKENS), after),
    before === undefined
      ? { condition: "attribute_not_exists(#pk)" }
      : { condition: "#revision = :before", values: { ":before": before.revision } },
  );
  // A deleted cluster must not get secrets again, because nothing would delete them.
  if (vault === undefined) {
    transaction.check("pointer", pointerKey(identity), {
      condition: "attribute_exists(#pk) AND attribute_not_exists(#ttl)",
    });
  } else {
    vault.bindTo(transaction);
    markDueForRetry(transaction, identity, now.toISOString());
  }
  const event: EventOf = {
    type: "cluster.join-config-issued",
    changes: [
      { path: "bootstrapToken", to: after.tokens.at(-1)?.id },
      ...(poolIdentity === undefined ? [] : [{ path: "nodePool" as const, to: poolIdentity }]),
      ...revoked.map((from) => ({ path: "bootstrapToken" as const, from })),
    ],
  };
  const source = { clusterIdentity: identity, at: now.toISOString(), requester: requesterOf(context, actor) };
  appendEvent(context, transaction, event, source);
  return transaction;
}
