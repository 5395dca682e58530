/** Runs the writes of accounts, credentials and schedules, which share one item. */

import * as v from "valibot";
import { type Authorized, authorize } from "../access/authorize.ts";
import type { Context, WriteOptions } from "../context.ts";
import { requesterOf } from "../events/event-log.ts";
import { type Representation, storeResponse } from "../request/idempotency.ts";
import { type Consequence, readWriteOptions, runWrite, type WriteResult } from "../request/write.ts";
import type { AppError, Problem } from "../shared/errors.ts";
import { uuid } from "../shared/schemas.ts";
import type { Parsed } from "../shared/validation.ts";
import { type Key, usageKey } from "../table/keys.ts";
import { commit, type Transaction } from "../table/transaction.ts";
import { keepWritten } from "../tenancy/references-cache.ts";
import { type References, type Usage, usageEntity } from "../tenancy/references-entity.ts";
import { changeTransaction, type ReferencesChange } from "./store.ts";

/** Current state of an organisation, for the decision about a write. */
export interface ReferencesState {
  references: References;
  /** Clusters that use the account or schedule of the path. */
  usage: Usage;
  /** RFC 3339. */
  now: string;
  /**
   * Reports unknown options and properties.
   *
   * @param unknown unknown properties of the body
   * @returns problems of the options, and of the unknown properties of a strict request
   */
  problems(unknown: readonly string[]): Problem[];
}

/** Decision about a write. `unchanged`: the request asks for the current values. */
type WriteDecision<Body> =
  | { kind: "refuse"; error: AppError }
  | { kind: "unchanged"; response: Representation<Body> }
  | {
      kind: "write";
      change: ReferencesChange;
      response: Representation<Body>;
      /** Body of a dry run's response. */
      rehearsed: Partial<Body>;
      /** Changed properties of an existing element. */
      properties: readonly string[];
      /** Adds further operations to the transaction. Not called in a dry run. */
      extend?: (transaction: Transaction) => Promise<void>;
    };

/** Request of a write. */
interface WriteRequest {
  /** Slug. */
  organisation: string;
  options: Parsed<WriteOptions>;
  /** Account or schedule whose clusters the decision needs: its identity as in the path. */
  usageOf?: string;
}

/**
 * Runs a write by an admin. Two database round trips, one if nothing changes.
 *
 * @param decide called again after a concurrent change; throws not found for a missing element
 * @throws AppError as `authorize`; the error of the decision; conflict if the references would be too large
 */
export function writeReferences<Body>(
  context: Context,
  { organisation, options, usageOf }: WriteRequest,
  decide: (state: ReferencesState) => WriteDecision<Body>,
): Promise<WriteResult<Body>> {
  const changeId = context.ids.identity();
  let attempted: Representation<Body> | undefined;
  const usageKeys = () => (usageOf === undefined ? [] : usageKeysOf(organisation, usageOf));
  return runWrite(context, async (deadline): Promise<WriteResult<Body> | undefined> => {
    const authorized = await authorize<undefined, Body>(context, {
      path: { organisation },
      role: "admin",
      keys: usageKeys,
    });
    const { actor, references, replay } = authorized;
    if (replay !== undefined) return replay;
    // An earlier attempt succeeded, and its response was lost.
    if (attempted !== undefined && references.recentWrites.includes(changeId)) return attempted;
    const now = context.clock().toISOString();
    const { dryRun } = options.value;
    const decision = decide({
      references,
      usage: readUsage(authorized, usageKeys()),
      now,
      problems: (unknown) => readWriteOptions(context, options, unknown).problems,
    });
    if (decision.kind === "refuse") throw decision.error;
    if (decision.kind === "unchanged") {
      return dryRun ? { kind: "dryRun", body: decision.response.body, consequences: [] } : decision.response;
    }
    const { change, response, rehearsed, properties, extend } = decision;
    const source = { organisation, requester: requesterOf(context, actor), at: now, changeId };
    const { transaction, after } = changeTransaction(context, references, change, source);
    if (dryRun) {
      const consequences = properties.map((property): Consequence => ({ property, effect: "inPlace", nodePools: [] }));
      return { kind: "dryRun", body: rehearsed, consequences };
    }
    await extend?.(transaction);
    storeResponse(context, transaction, actor, response);
    attempted = response;
    const failures = await commit(context.table, transaction, deadline);
    // After a failure, the data that was read is out of date: the next read determines the response.
    if (failures.length > 0) return undefined;
    keepWritten(context, authorized.organisation, after);
    return response;
  });
}

/**
 * Lists the key of the counter of an element's clusters, to be read with the authorization.
 *
 * @param given identity as in the path; text that is no identity has no counter
 */
export const usageKeysOf = (organisation: string, given: string): Key[] =>
  v.is(uuid, given) ? [usageKey(organisation, given.toLowerCase())] : [];

/** Returns the numbers of the counter at a key. */
export function readUsage({ prefetched }: Pick<Authorized, "prefetched">, [key]: readonly Key[]): Usage {
  const item = key && prefetched(key);
  return item === undefined ? { clusters: 0, deletingClusters: 0 } : usageEntity.read(item);
}
