/** Reads the links of `sst shell` and converts them to the environment variables that other modules read. */

import * as v from "valibot";
import { AppError } from "#core/shared/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Schema of a link: `sst shell` passes the properties of each linked resource as JSON in a variable. */
const linked = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.pipe(v.string(), v.parseJson(undefined, "must be JSON"), v.object(entries));

const Links = v.object({
  SST_RESOURCE_App: linked({ stage: v.string() }),
  SST_RESOURCE_Table: linked({ name: v.string() }),
  SST_RESOURCE_SecretsKey: linked({ arn: v.string() }),
});

/**
 * Adds `STAGE`, `TABLE_NAME` and `KMS_KEY_ID` from the links of `sst shell` to the environment variables. A table or key that is
 * already set does not change, so that commands can use another table, such as a restored copy.
 *
 * @returns undefined outside of `sst shell`
 * @throws AppError that lists every missing or invalid link: the stage was never deployed, or by an older release
 */
export function readSstLinks(environment: Environment): (Environment & { STAGE: string }) | undefined {
  if (!environment.SST_RESOURCE_App) return undefined;
  const parsed = v.safeParse(Links, environment);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "links"}: ${issue.message}`);
    throw new AppError("invalid", "config.unlinked", [
      "sst shell does not provide the table and the key of this stage; deploy the stage first",
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
