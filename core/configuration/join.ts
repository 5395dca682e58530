/** What a machine needs to become a node of a cluster. */

import { userEvent } from "../cluster/event.ts";
import { nodeVersionOf } from "../cluster/versions.ts";
import type { Context } from "../context.ts";
import { conflict } from "../errors.ts";
import { findNodePool } from "../node-pool/read.ts";
import { isLive } from "../node-pool/rules.ts";
import { pointerKey, secretKey } from "../table/keys.ts";
import { deadlineIn } from "../table/pause.ts";
import { commit, contended, Transaction } from "../table/transact.ts";
import { admit, drawToken } from "./bootstrap-tokens.ts";
import { type ConfigurationInput, type Configured, deleting, enterConfiguration, notYet } from "./enter.ts";
import { joinDocuments } from "./node/documents.ts";
import type { JoinConfigResponse } from "./schema.ts";
import { BOOTSTRAP_TOKENS, type BootstrapTokens, bootstrapTokensEntity } from "./stored.ts";

/** Which cluster's join configuration, and of which pool: its numeric id or its identity, where the machine shall be in one. */
export interface JoinInput extends ConfigurationInput {
  nodePool?: string;
}

const WHAT = "join configuration";

/**
 * Makes a join configuration: a bootstrap token for this answer alone, and documents with it. Three waits on the database.
 *
 * @throws AppError as `enterConfiguration`, of a caller who is no admin; missing where there is no such pool; unavailable
 */
export async function joinConfig(context: Context, input: JoinInput): Promise<JoinConfigResponse> {
  const { nodePool } = input;
  const configured = await enterConfiguration(context, input, {
    right: "admin",
    what: WHAT,
    phase: "CLUSTER_PROVISIONED",
    withPools: nodePool !== undefined,
  });
  const { cluster, certificate, endpoint, pools } = configured;
  const pool = nodePool === undefined ? undefined : findNodePool(pools, { nodePool, cluster: cluster.slug });
  if (pool !== undefined && !isLive(pool)) {
    throw conflict("node_pool.deleting", `The node pool "${pool.name}" is being deleted: no machine can join it.`);
  }
  if (endpoint === undefined) throw notYet(WHAT, cluster);
  const token = drawToken();
  const { serviceSubnet } = cluster;
  const version = nodeVersionOf(cluster, configured.observedVersion);
  const given = { endpoint, certificate, token, version, serviceSubnet };
  const documents = joinDocuments(pool === undefined ? given : { ...given, pool });
  await keep(context, configured, token, pool?.identity);
  return documents;
}

/** Keeps what the token will be recognised by, and tells of it. Who was faster is not asked for anew: the refusal says it. */
async function keep(
  context: Context,
  configured: Configured,
  token: string,
  poolIdentity: string | undefined,
): Promise<void> {
  const deadline = deadlineIn(context.patienceMs);
  let item = configured.held.get(BOOTSTRAP_TOKENS);
  for (;;) {
    const before = item && bootstrapTokensEntity.read(item);
    const failures = await commit(context.table, admission(context, configured, before, token, poolIdentity), deadline);
    if (failures.length === 0) return;
    if (failures.some(({ label }) => label === "pointer")) throw deleting(WHAT, configured.cluster);
    if (deadline.passed()) throw contended();
    item = failures.find(({ label }) => label === TOKENS)?.present;
  }
}

const TOKENS = "bootstrap-tokens";

function admission(
  context: Context,
  { cluster: { identity }, actor }: Configured,
  before: BootstrapTokens | undefined,
  token: string,
  poolIdentity: string | undefined,
): Transaction {
  const now = context.clock();
  const { after, revoked } = admit(before, identity, token, now);
  const changes = [
    { path: "bootstrapToken", to: after.tokens.at(-1)?.id },
    ...(poolIdentity === undefined ? [] : [{ path: "nodePool", to: poolIdentity }]),
    ...revoked.map((from) => ({ path: "bootstrapToken", from })),
  ];
  return (
    new Transaction()
      .put(
        TOKENS,
        bootstrapTokensEntity.write(secretKey(identity, BOOTSTRAP_TOKENS), after),
        before === undefined
          ? { condition: "attribute_not_exists(#pk)" }
          : { condition: "#revision = :before", values: { ":before": before.revision } },
      )
      // What is gone shall not get secrets again, of which nobody would ever rid it.
      .check("pointer", pointerKey(identity), { condition: "attribute_exists(#pk) AND attribute_not_exists(#ttl)" })
      .create("event", userEvent(context, actor, identity, "cluster.join-config-issued", now.toISOString(), changes))
  );
}
