/** Records when tokens were last used. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Services, TokenUseRecorder } from "../context.ts";
import { deadlineIn } from "../shared/retry.ts";
import { DAY_MS } from "../shared/time.ts";
import { tokenKey } from "../table/keys.ts";
import { updateItem } from "../table/update.ts";

/** Time for which a response waits for the record of a use, in milliseconds. */
const MAX_DELAY_MS = 1_000;

/**
 * Records the last use of tokens, each at most once a day: the first use after a day costs one update beside the request's own calls. A
 * use that cannot be recorded is not an error, because the request must not fail for it; the next request tries again.
 */
export class TokenUse implements TokenUseRecorder {
  /** Ids of the tokens that this process is updating, so that the many requests of one token send one update. */
  readonly #updating = new Set<string>();

  /** As the interface describes. */
  record(
    services: Pick<Services, "table" | "clock">,
    token: { tokenId: string; lastUsedAt?: string | undefined },
  ): Promise<void> | undefined {
    const { tokenId, lastUsedAt } = token;
    const now = services.clock();
    const isRecent = lastUsedAt !== undefined && now.getTime() - Date.parse(lastUsedAt) < DAY_MS;
    if (isRecent || this.#updating.has(tokenId)) return undefined;
    this.#updating.add(tokenId);
    const done = this.#update(services, tokenId, now).finally(() => this.#updating.delete(tokenId));
    const waiting = new AbortController();
    const limit = sleep(MAX_DELAY_MS, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined);
    return Promise.race([done.finally(() => waiting.abort()), limit]);
  }

  async #update({ table }: Pick<Services, "table">, tokenId: string, now: Date): Promise<void> {
    try {
      await updateItem(
        table,
        tokenKey(tokenId),
        "SET #lastUsedAt = :now",
        {
          condition: "attribute_exists(#pk) AND (attribute_not_exists(#lastUsedAt) OR #lastUsedAt <= :before)",
          values: { ":now": now.toISOString(), ":before": new Date(now.getTime() - DAY_MS).toISOString() },
        },
        deadlineIn(MAX_DELAY_MS),
      );
    } catch {
      // The next request of the token tries again.
    }
  }
}
