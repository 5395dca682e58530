/** Lists the clusters of an organisation or of one environment. */

import { authorize } from "../../access/authorize.ts";
import { type Context, reportUnknown } from "../../context.ts";
import { type Chunk, readChunks } from "../../listing/page-index.ts";
import { type BucketRead, slicePage } from "../../listing/page-slice.ts";
import {
  buildPage,
  type Page,
  type Pageable,
  pageableNames,
  pageLinks,
  parsePageable,
} from "../../listing/pageable.ts";
import { flag, parseQueryParameters, type RawQuery } from "../../request/query.ts";
import { forbidden, invalid } from "../../shared/errors.ts";
import { organisationKey } from "../../table/keys.ts";
import { canList, roleIn, satisfies } from "../../tenancy/role.ts";
import { type Cluster, clusterEntity } from "../entity.ts";
import type { ClusterResponse } from "../schema.ts";
import { toClusterResponse } from "../store/items.ts";
import { observations } from "./get.ts";
import { filters, isSearch, search, sortable } from "./search.ts";

/** Request for a page of clusters. */
export interface ListInput {
  organisation: string;
  /** Absent for all environments that the caller can access. */
  environment?: string;
  query: RawQuery;
}

/** Page of clusters, and the queries of related pages. */
export interface ClusterPage {
  page: Page<ClusterResponse>;
  links: [rel: string, query: string][];
}

const FLAGS = { "show-compute": flag, includeDetails: flag };

const KNOWN_PARAMETERS = new Set(Object.keys({ ...FLAGS, ...filters }));

/**
 * Lists clusters. Two database round trips in the default order or its reverse, for every size of organisation: the page index
 * maps the page number to keys. Three in another order or with filters. `includeDetails` adds one.
 *
 * @throws AppError as `authorize`; forbidden for a billing-admin; invalid with every problem of the query
 */
export async function list(context: Context, input: ListInput): Promise<ClusterPage> {
  const { organisation, environment } = input;
  const authorized = await authorize(context, {
    path: environment === undefined ? { organisation } : { organisation, environment },
    role: "viewer",
    alongside: () => readChunks(context.table, organisation, environment),
  });
  const { member, references } = authorized;
  if (environment === undefined && !canList(member)) {
    throw forbidden(
      "organisation.no_clusters",
      `Your role in organisation "${organisation}" does not allow reading clusters.`,
    );
  }
  const { pageable, flags, wanted } = readListQuery(context, input.query);
  const chunks = authorized.alongside ?? [];
  const hidden = new Set(authorized.organisation.deletedEnvironments);
  const sees: VisibilityFilter = ({ environmentIdentity }) =>
    !hidden.has(environmentIdentity) && satisfies(roleIn(member, environmentIdentity), "viewer");
  const { clusters, total } = isSearch(pageable, wanted)
    ? await search(context, organisation, chunks, sees, pageable, wanted)
    : await readPage(context, organisation, chunks.filter(sees), sees, pageable);

  const observed = flags.includeDetails
    ? await observations(
        context,
        clusters.map(({ identity }) => identity),
      )
    : undefined;
  const content = clusters.map((cluster) =>
    toClusterResponse(cluster, {
      organisation: authorized.organisation,
      references,
      showCompute: flags["show-compute"],
      observation: observed?.get(cluster.identity),
    }),
  );
  const page = buildPage(content, total, pageable);
  return { page, links: pageLinks(page, input.query.pairs, pageable, KNOWN_PARAMETERS) };
}

/** Filter by environment: returns whether the caller can access it. */
type VisibilityFilter = (place: Pick<Chunk, "environmentIdentity">) => boolean;

function readListQuery(context: Context, query: RawQuery) {
  const { values, problems, unknown } = parseQueryParameters(query, { ...FLAGS, ...filters }, pageableNames);
  const page = parsePageable(query.pairs, sortable);
  reportUnknown(context, [...unknown, ...page.unknown]);
  const all = [...problems, ...page.problems];
  if (all.length > 0) throw invalid(all);
  const { "show-compute": showCompute, includeDetails, ...wanted } = values;
  return { pageable: page.pageable, flags: { "show-compute": showCompute, includeDetails }, wanted };
}

/** Reads a page in the default order or its reverse. */
async function readPage(
  context: Context,
  organisation: string,
  chunks: readonly Chunk[],
  sees: VisibilityFilter,
  { pageNumber, pageSize, descending }: Pageable,
): Promise<{ clusters: Cluster[]; total: number }> {
  const { reads, total } = slicePage(chunks, pageNumber * pageSize, pageSize, descending);
  const read = await Promise.all(reads.map((each) => readBucket(context, organisation, each)));
  const ascending = distinct(read.flat(), sees);
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
function distinct(clusters: readonly Cluster[], sees: VisibilityFilter): Cluster[] {
  const seen = new Set<string>();
  return clusters.filter((cluster) => {
    if (seen.has(cluster.identity) || !sees(cluster)) return false;
    seen.add(cluster.identity);
    return true;
  });
}
