/** Replaces what makes the SDK's paginators, which are created when their module loads. `core/table` follows keys by itself. */

/** Returns a paginator. That throws an Error always: it is not in the bundle. */
export const createPaginator = () => (): never => {
  throw new Error("the SDK's paginators are not in this bundle");
};
