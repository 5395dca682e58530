/** Creates and lists the cloud accounts of an organisation. */

import * as v from "valibot";
import { cloudProfiles } from "../catalogue/index.ts";
import type { Services } from "../context.ts";
import { decideCreate, profileNamed } from "../references/cloud-accounts/rules.ts";
import { CreateCloudAccount, displayName } from "../references/cloud-accounts/schema.ts";
import { invalid, type Problem } from "../shared/errors.ts";
import { byAge } from "../shared/order.ts";
import { formatValue, validate } from "../shared/validation.ts";
import { readReferences } from "../tenancy/references.ts";
import type { CloudAccount, CloudCredentials } from "../tenancy/references-entity.ts";
import { writeAsOperator } from "./references.ts";

/** Input of the operator: a creation of the API, with a name of credentials without a secret. */
const CreateAccount = v.object({ ...CreateCloudAccount.entries, credentials: v.optional(displayName) });

/**
 * Creates a cloud account, enabled.
 *
 * @param organisation slug of the organisation
 * @param input displayName, cloudProfile (identity, or slug of the provider), metadata, credentials (a name: creates a record
 *   of primary credentials without a secret, for provisioners that need none)
 * @throws AppError invalid; not found; conflict if the provider has an account of this name, or a limit is reached
 */
export async function createAccount(services: Services, organisation: string, input: unknown): Promise<CloudAccount> {
  const whole = validate(CreateAccount, input);
  const given = whole.value?.cloudProfile;
  const profile = given === undefined ? undefined : profileNamed(given);
  const unknown = given === undefined || profile !== undefined ? [] : [unknownProfile(given)];
  const problems = [...whole.problems, ...unknown];
  if (problems.length > 0 || profile === undefined) throw invalid(problems);
  const { credentials: name, ...account } = whole.complete();
  const body = validate(CreateCloudAccount, { ...account, cloudProfile: profile.identity });
  const [identity, credentialsIdentity] = [services.ids.identity(), services.ids.identity()];
  const decision = await writeAsOperator(services, organisation, (references, createdAt) => {
    const record = (displayName: string): CloudCredentials => ({
      identity: credentialsIdentity,
      displayName,
      cloudType: profile.type,
      metadata: {},
      createdAt,
      revision: 1,
    });
    const credentials = name === undefined ? [] : [record(name)];
    return decideCreate(body, [], references, { identity, createdAt, credentials });
  });
  return decision.account;
}

function unknownProfile(given: string): Problem {
  const known = cloudProfiles.map(({ cloudProvider }) => cloudProvider).join(", ");
  return {
    path: "cloudProfile",
    message: `${formatValue(given)} is not allowed: must be the identity of a cloud profile, or one of ${known}`,
  };
}

/** Lists the cloud accounts of an organisation, oldest first. @throws AppError not found */
export async function listAccounts(services: Services, organisation: string): Promise<CloudAccount[]> {
  const { accounts } = await readReferences(services, organisation);
  return Object.values(accounts).sort(byAge);
}
