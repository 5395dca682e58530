/** Checking and rebuilding the page indexes of one organisation or of all. */

import { allEnvironments } from "#core/admin/environments.ts";
import { showOrganisation } from "#core/admin/organisations.ts";
import type { Discrepancy } from "#core/admin/page-index-inspection.ts";
import {
  checkPageIndex,
  orphanedChunks,
  rebuildPageIndex,
  removeOrphanedChunks,
} from "#core/admin/page-index-repair.ts";
import type { Services } from "#core/context.ts";
import { organisationEntity } from "#core/tenancy/organisation.ts";

/** What was looked at and what was found there. */
export interface IndexReport {
  organisations: number;
  environments: number;
  discrepancies: (Discrepancy & { organisation: string })[];
}

/** All organisations there are: the one thing here that reads the whole table, which only an operator may. */
async function organisationsOf(services: Services, only: string | undefined): Promise<string[]> {
  if (only !== undefined) return [(await showOrganisation(services, only)).organisation.slug];
  const slugs: string[] = [];
  for await (const item of services.table.scan()) {
    if (item.entity === organisationEntity.name) slugs.push(organisationEntity.read(item).slug);
  }
  return slugs.sort();
}

async function report(
  services: Services,
  only: string | undefined,
  visit: (organisation: string, environments: Awaited<ReturnType<typeof allEnvironments>>) => Promise<Discrepancy[]>,
): Promise<IndexReport> {
  const organisations = await organisationsOf(services, only);
  const found: IndexReport = { organisations: organisations.length, environments: 0, discrepancies: [] };
  for (const organisation of organisations) {
    const environments = await allEnvironments(services, organisation);
    found.environments += environments.length;
    found.discrepancies.push(...(await visit(organisation, environments)).map((each) => ({ organisation, ...each })));
  }
  return found;
}

const strayText = ({ environment, lowerBound }: { environment: string; lowerBound: string }): Discrepancy => ({
  environment,
  text: `chunk "${lowerBound}" belongs to no environment`,
});

/** Compares page indexes with their clusters. @param only an organisation's slug; absent for all */
export async function checkIndexes(services: Services, only: string | undefined): Promise<IndexReport> {
  return await report(services, only, async (organisation, environments) => {
    const found: Discrepancy[] = (await orphanedChunks(services, organisation, environments)).map(strayText);
    for (const environment of environments) found.push(...(await checkPageIndex(services, organisation, environment)));
    return found;
  });
}

/** Makes page indexes agree with their clusters, while the server goes on. @returns what was mended, or could not be compared */
export async function rebuildIndexes(services: Services, only: string | undefined): Promise<IndexReport> {
  return await report(services, only, async (organisation, environments) => {
    const stray = await orphanedChunks(services, organisation, environments);
    const found = (await removeOrphanedChunks(services, organisation, stray)).map(strayText);
    for (const environment of environments)
      found.push(...(await rebuildPageIndex(services, organisation, environment)));
    return found;
  });
}
