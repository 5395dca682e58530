/** Records when tokens were last used. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Services, TokenUseRecorder } from "../context.ts";
import { deadlineIn } from "../shared/retry.ts";
import { DAY_MS } from "../shared/time.ts";
import { tokenKey } from "../table/keys.ts";
import { updateItem } from "../table/update.ts";

/** Time for which a response waits for the record of a use, in milliseconds. */
const MAX_DELAY_MS = 1_000;

/** Number of tokens whose last update a process remembers. */
const MAX_REMEMBERED = 1_000;

/**
 * Records the last use of tokens, each at most once a day: the first use after a day costs one update beside the request's own calls. A
 * use that cannot be recorded is not an error, because the request must not fail for it; the next request tries again.
 */
export class TokenUse implements TokenUseRecorder {
  /** Times of the last updates of this process by token id, so that the many requests of one token send one update. */
  readonly #updated = new Map<string, number>();

  /** As the interface describes. */
  record(
    services: Pick<Services, "table" | "clock">,
    token: { tokenId: string; lastUsedAt?: string | undefined },
  ): Promise<void> | undefined {
    const { tokenId, lastUsedAt } = token;
    const now = services.clock();
    const isRecent = (at: number | undefined) => at !== undefined && now.getTime() - at < DAY_MS;
    if (isRecent(lastUsedAt === undefined ? undefined : Date.parse(lastUsedAt))) return undefined;
    if (isRecent(this.#updated.get(tokenId))) return undefined;
    this.#remember(tokenId, now.getTime());
    const done = this.#update(services, tokenId, now);
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
      this.#updated.delete(tokenId);
    }
  }

  /** Remembers an update, and forgets the oldest one if there are many. */
  #remember(tokenId: string, at: number): void {
    const [oldest] = this.#updated.keys();
    if (oldest !== undefined && this.#updated.size >= MAX_REMEMBERED) this.#updated.delete(oldest);
    this.#updated.set(tokenId, at);
  }
}
