/** Listing clusters, of an organisation or of one environment. */

import { enter } from "../access/enter.ts";
import { allows, mayList, roleIn } from "../access/role.ts";
import type { Member } from "../access/schema.ts";
import { type Context, noteUnknown } from "../context.ts";
import { forbidden, invalid } from "../errors.ts";
import { type Chunk, readChunks } from "../listing/page-index.ts";
import { type BucketRead, slicePage } from "../listing/page-slice.ts";
import { type Page, pageableNames, pageLinks, pageOf, readPageable } from "../listing/pageable.ts";
import { flag, type RawQuery, readQuery } from "../query.ts";
import { organisationKey } from "../table/keys.ts";
import { observations } from "./get.ts";
import { toClusterResponse } from "./repository.ts";
import type { ClusterResponse } from "./schema.ts";
import { type Cluster, clusterEntity } from "./stored.ts";

/** Which clusters, and which page of them. */
export interface ListInput {
  organisation: string;
  /** Absent for all environments in the caller's sight. */
  environment?: string;
  query: RawQuery;
}

/** A page and the queries of the pages around it. */
export interface Listed {
  page: Page<ClusterResponse>;
  links: [rel: string, query: string][];
}

const FLAGS = { "show-compute": flag, includeDetails: flag };

/** Filters come with other orders; until then they are refused, for a list that ignored one would be a wrong answer. */
const FILTERS = ["maintenanceSchedule", "status", "cloudProvider", "region", "version", "name"];

/**
 * Lists clusters in the default order or its reverse. Two waits on the database, three with `includeDetails`, whatever the
 * size of the organisation: the page index says which keys the page holds.
 *
 * @throws AppError as `enter`; forbidden for a billing-admin; invalid with everything wrong in the query
 */
export async function list(context: Context, input: ListInput): Promise<Listed> {
  const { organisation, environment } = input;
  const entered = await enter(context, {
    path: environment === undefined ? { organisation } : { organisation, environment },
    right: "viewer",
    beside: () => readChunks(context.table, organisation, environment),
  });
  const { member, references } = entered;
  if (environment === undefined && !mayList(member)) {
    throw forbidden("organisation.no_clusters", `Your role in organisation "${organisation}" sees no clusters.`);
  }
  const { pageable, flags } = readListQuery(context, input.query);

  const visible = (entered.beside ?? []).filter((chunk) => isVisible(member, chunk));
  const { pageNumber, pageSize, descending } = pageable;
  const slice = slicePage(visible, pageNumber * pageSize, pageSize, descending);
  const read = await Promise.all(slice.reads.map((each) => readBucket(context, organisation, each)));
  const ascending = distinct(read.flat(), member);
  const clusters = (descending ? ascending.reverse() : ascending).slice(0, pageSize);

  const observed = flags.includeDetails
    ? await observations(
        context,
        clusters.map(({ identity }) => identity),
      )
    : undefined;
  const content = clusters.map((cluster) =>
    toClusterResponse(cluster, {
      organisation: entered.organisation,
      references,
      showCompute: flags["show-compute"],
      observation: observed?.get(cluster.identity),
    }),
  );
  const page = pageOf(content, slice.total, pageable);
  return { page, links: pageLinks(page, input.query.pairs, pageable, new Set(Object.keys(FLAGS))) };
}

const isVisible = (member: Member, { environmentIdentity }: Pick<Chunk, "environmentIdentity">): boolean =>
  allows(roleIn(member, environmentIdentity), "viewer");

function readListQuery(context: Context, query: RawQuery) {
  const own = readQuery(query, FLAGS, new Set([...pageableNames, ...FILTERS]));
  const { pageable, problems, unknown } = readPageable(query.pairs);
  noteUnknown(context, [...own.unknown, ...unknown]);
  const filters = query.pairs
    .filter(([name]) => FILTERS.includes(name))
    .map(([path]) => ({
      path,
      text: "filters are not accepted yet; accepted are pageNumber, pageSize, sortDirection, show-compute, includeDetails",
    }));
  const all = [...own.problems, ...problems, ...filters];
  if (all.length > 0) throw invalid(all);
  return { pageable, flags: own.values };
}

/** Reads a page's part of one bucket, ascending. */
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
 * Leaves out what a move between two reads could show twice, and what lies in an environment that was replaced by another
 * of its name meanwhile.
 */
function distinct(clusters: readonly Cluster[], member: Member): Cluster[] {
  const seen = new Set<string>();
  return clusters.filter((cluster) => {
    if (seen.has(cluster.identity) || !isVisible(member, cluster)) return false;
    seen.add(cluster.identity);
    return true;
  });
}
