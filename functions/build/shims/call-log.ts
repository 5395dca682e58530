/**
 * Replaces the SDK's log of calls. No client is given a logger, and the middleware copies everything that is sent and answered
 * in any case.
 */

/** Returns a middleware that changes nothing. */
export const loggerMiddleware =
  () =>
  <Args, Output>(next: (args: Args) => Promise<Output>) =>
  (args: Args): Promise<Output> =>
    next(args);

/** Where the middleware would be in the stack. */
export const loggerMiddlewareOptions = { name: "loggerMiddleware", step: "initialize", override: true };

/** Returns a plugin that adds nothing. */
export const getLoggerPlugin = () => ({ applyToStack: () => undefined });
