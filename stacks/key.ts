/// <reference path="../.sst/platform/config.d.ts" />
/** KMS key that encrypts the data keys of clusters. */

import type { Stage } from "./stage.ts";

/** Inputs of the key's stack. */
interface KeyInputs {
  stage: Stage;
}

/** Creates the key, which never leaves KMS and gets new key material every year. */
export function createKey({ stage }: KeyInputs) {
  const isProduction = stage.kind === "production";
  const key = new aws.kms.Key(
    "Key",
    {
      description: `Data keys of the clusters of ${$app.name}, stage ${stage.name}`,
      enableKeyRotation: true,
      // Cannot be changed later. It allows a replica key in another region, which decrypts backups that are restored there.
      multiRegion: true,
      deletionWindowInDays: stage.isEphemeral ? 7 : 30,
    },
    // Without the key, no secret in a backup of the table can be decrypted.
    { protect: isProduction, retainOnDelete: isProduction },
  );
  new aws.kms.Alias("KeyAlias", { name: `alias/${$app.name}-${stage.name}`, targetKeyId: key.keyId });
  // The operator's command reads this link within `sst shell`.
  new sst.Linkable("SecretsKey", { properties: { arn: key.arn } });
  return key;
}
