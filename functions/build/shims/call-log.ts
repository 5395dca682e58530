/**
 * Replaces the SDK's call log. No client has a logger, and the middleware would copy every request and response anyway.
 */

/** Returns a middleware that changes nothing. */
export const loggerMiddleware =
  () =>
  <Args, Output>(next: (args: Args) => Promise<Output>) =>
  (args: Args): Promise<Output> =>
    next(args);

/** Position of the middleware in the stack. */
export const loggerMiddlewareOptions = { name: "loggerMiddleware", step: "initialize", override: true };

/** Returns a plugin that adds nothing. */
export const getLoggerPlugin = () => ({ applyToStack: () => undefined });
