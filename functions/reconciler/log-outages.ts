/** Logs outages of the management cluster. */

import type { Logger } from "../runtime/log.ts";

/** Returns a listener that logs when calls to the management cluster stop, and when it answers again. */
export const logOutages = (log: Logger) => (problem: string | undefined) => {
  if (problem === undefined) log.info("the management cluster answers again");
  else log.warn("the management cluster does not answer; calls are stopped until a probe succeeds", { problem });
};
