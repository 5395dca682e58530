/** Replaces the factory of the SDK's paginators, which are created when their module loads. `core/table` paginates itself. */

/** Returns a paginator that always throws an Error. */
export const createPaginator = () => (): never => {
  throw new Error("the SDK's paginators are not in this bundle");
};
