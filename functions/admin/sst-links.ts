/** What `sst shell` says of a stage, as the variables that everything else reads. */

import * as v from "valibot";
import { AppError } from "#core/shared/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** `sst shell` gives the properties of each linked resource as JSON in a variable. */
const linked = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.pipe(v.string(), v.parseJson(undefined, "must be JSON"), v.object(entries));

const Links = v.object({
  SST_RESOURCE_App: linked({ stage: v.string() }),
  SST_RESOURCE_Table: linked({ name: v.string() }),
  SST_RESOURCE_SecretsKey: linked({ arn: v.string() }),
});

/**
 * Adds to an environment what `sst shell` says in it: `STAGE`, `TABLE_NAME` and `KMS_KEY_ID` of the stage. A variable that is set
 * stays as it is, so that another table, such as one restored beside the stage's, can be worked on.
 *
 * @returns undefined where there is no `sst shell` around
 * @throws AppError that names every link that is missing or wrong: the stage was never deployed, or by an older release
 */
export function readSstLinks(environment: Environment): (Environment & { STAGE: string }) | undefined {
  if (!environment.SST_RESOURCE_App) return undefined;
  const parsed = v.safeParse(Links, environment);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "links"}: ${issue.message}`);
    throw new AppError("invalid", "config.unlinked", [
      "sst shell does not say where this stage's data are; deploy the stage first",
      ...problems,
    ]);
  }
  const { SST_RESOURCE_App: app, SST_RESOURCE_Table: table, SST_RESOURCE_SecretsKey: key } = parsed.output;
  return {
    ...environment,
    STAGE: app.stage,
    TABLE_NAME: environment.TABLE_NAME || table.name,
    KMS_KEY_ID: environment.KMS_KEY_ID || key.arn,
  };
}
