/** Lists the clusters of an organisation or of one environment. */

import { authorize } from "../../access/authorize.ts";
import { type Context, requireValid } from "../../context.ts";
import { type Page, type PageOptions, type PageRequest, requestedOrder } from "../../listing/page.ts";
import { type Chunk, readChunks } from "../../listing/page-index.ts";
import { type BucketRead, slicePage } from "../../listing/page-slice.ts";
import { forbidden } from "../../shared/errors.ts";
import type { Parsed } from "../../shared/validation.ts";
import { organisationKey } from "../../table/keys.ts";
import { canList, roleIn, satisfies } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity } from "../entity.ts";
import type { ClusterResponse } from "../schema.ts";
import { toClusterResponse } from "../store/items.ts";
import { observations } from "./get.ts";
import { type Filters, isSearch, search } from "./search.ts";

/** Options of a list of clusters. */
interface ListOptions extends PageOptions {
  filters: Filters;
  /** True to show CPU and memory. */
  showCompute: boolean;
  /** True to show what was last observed. */
  includeDetails: boolean;
}

/** Request for a page of clusters. */
interface ListInput {
  organisation: string;
  /** Absent for all environments that the caller can access. */
  environment?: string;
  options: Parsed<ListOptions>;
}

/** Properties of the default order. */
const DEFAULT_ORDER = ["environmentSlug", "slug"];

/**
 * Lists clusters. Two database round trips in the default order or its reverse, for every size of organisation: the page index
 * maps the page number to keys. Three in another order or with filters. `includeDetails` adds one.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid with every problem of the options
 */
export async function list(context: Context, input: ListInput): Promise<Page<ClusterResponse>> {
  const { organisation, environment } = input;
  const authorized = await authorize(context, {
    // In an organisation, a role in one environment is enough.
    ...(environment === undefined
      ? { path: { organisation } }
      : { path: { organisation, environment }, role: "viewer" }),
    alongside: () => readChunks(context.table, organisation, environment),
  });
  const { member, references } = authorized;
  if (environment === undefined && !canList(member)) {
    throw forbidden(
      "organisation.no_clusters",
      `Your role in organisation "${organisation}" does not allow reading clusters.`,
    );
  }
  const { page, filters, showCompute, includeDetails } = requireValid(context, input.options);
  const chunks = authorized.alongside ?? [];
  const hidden = new Set(authorized.organisation.deletedEnvironments);
  const isVisible: VisibilityFilter = ({ environmentIdentity }) =>
    !hidden.has(environmentIdentity) && satisfies(roleIn(member, environmentIdentity), "viewer");
  const { clusters, total } = isSearch(page, filters)
    ? await search(context, organisation, chunks, isVisible, page, filters)
    : await readPage(context, organisation, chunks.filter(isVisible), isVisible, page);

  const observed = includeDetails
    ? await observations(
        context,
        clusters.map(({ identity }) => identity),
      )
    : undefined;
  const content = clusters.map((cluster) =>
    toClusterResponse(cluster, {
      organisation: authorized.organisation,
      references,
      showCompute,
      observation: observed?.get(cluster.identity),
    }),
  );
  return { content, total, sort: requestedOrder(page, DEFAULT_ORDER) };
}

/** Filter by environment: returns whether the caller can access it. */
type VisibilityFilter = (chunk: Pick<Chunk, "environmentIdentity">) => boolean;

/** Reads a page in the default order or its reverse. */
async function readPage(
  context: Context,
  organisation: string,
  chunks: readonly Chunk[],
  isVisible: VisibilityFilter,
  { pageNumber, pageSize, descending = false }: PageRequest,
): Promise<{ clusters: Cluster[]; total: number }> {
  const { reads, total } = slicePage(chunks, pageNumber * pageSize, pageSize, descending);
  const read = await Promise.all(reads.map((each) => readBucket(context, organisation, each)));
  const ascending = distinct(read.flat(), isVisible);
  return { clusters: (descending ? ascending.reverse() : ascending).slice(0, pageSize), total };
}

/** Reads the part of a page that is in one bucket, ascending. */
async function readBucket(context: Context, organisation: string, read: BucketRead): Promise<Cluster[]> {
  const { span, backward, limit, skip } = read;
  const items = await context.table.query({
    pk: organisationKey(organisation).pk,
    ...span,
    backward,
    ...(limit === undefined ? {} : { limit }),
  });
  const part = items.slice(skip);
  if (backward) part.reverse();
  return part.map((item): Cluster => clusterEntity.read(item));
}

/**
 * Removes duplicates that a move between two reads can cause, and clusters of an environment that was replaced by another one
 * with the same name.
 */
function distinct(clusters: readonly Cluster[], isVisible: VisibilityFilter): Cluster[] {
  const seen = new Set<string>();
  return clusters.filter((cluster) => {
    if (seen.has(cluster.identity) || !isVisible(cluster)) return false;
    seen.add(cluster.identity);
    return true;
  });
}
