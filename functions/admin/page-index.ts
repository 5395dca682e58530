/** Checks and rebuilds the page indexes of one organisation or of all. */

import { listAllEnvironments } from "#core/admin/environments.ts";
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

/** Result of a check or a rebuild. */
interface IndexReport {
  organisations: number;
  environments: number;
  discrepancies: (Discrepancy & { organisation: string })[];
}

/** Lists organisations. Without a slug, reads the whole table. */
async function listOrganisations(services: Services, only: string | undefined): Promise<string[]> {
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
  visit: (
    organisation: string,
    environments: Awaited<ReturnType<typeof listAllEnvironments>>,
  ) => Promise<Discrepancy[]>,
): Promise<IndexReport> {
  const organisations = await listOrganisations(services, only);
  const found: IndexReport = { organisations: organisations.length, environments: 0, discrepancies: [] };
  for (const organisation of organisations) {
    const environments = await listAllEnvironments(services, organisation);
    found.environments += environments.length;
    found.discrepancies.push(...(await visit(organisation, environments)).map((each) => ({ organisation, ...each })));
  }
  return found;
}

const orphanDiscrepancy = ({ environment, lowerBound }: { environment: string; lowerBound: string }): Discrepancy => ({
  environment,
  text: `chunk "${lowerBound}" does not belong to an environment`,
});

/** Compares page indexes with their clusters. @param only slug of an organisation; undefined for all */
export async function checkIndexes(services: Services, only: string | undefined): Promise<IndexReport> {
  return await report(services, only, async (organisation, environments) => {
    const found: Discrepancy[] = (await orphanedChunks(services, organisation, environments)).map(orphanDiscrepancy);
    for (const environment of environments) found.push(...(await checkPageIndex(services, organisation, environment)));
    return found;
  });
}

/** Repairs page indexes while servers run. @returns what was repaired, or could not be compared */
export async function rebuildIndexes(services: Services, only: string | undefined): Promise<IndexReport> {
  return await report(services, only, async (organisation, environments) => {
    const orphans = await orphanedChunks(services, organisation, environments);
    const found = (await removeOrphanedChunks(services, organisation, orphans)).map(orphanDiscrepancy);
    for (const environment of environments)
      found.push(...(await rebuildPageIndex(services, organisation, environment)));
    return found;
  });
}
