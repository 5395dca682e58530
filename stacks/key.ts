/// <reference path="../.sst/platform/config.d.ts" />
/** The key that clusters' data keys are encrypted with. */

import type { Stage } from "./stage.ts";

/** What the key's stack depends on. */
export interface KeyInputs {
  stage: Stage;
}

/** Makes the key, which never leaves KMS and gets new material every year. */
export function createKey({ stage }: KeyInputs) {
  const isKept = stage.kind === "production";
  const key = new aws.kms.Key(
    "Key",
    {
      description: `Data keys of the clusters of ${$app.name}, stage ${stage.name}`,
      enableKeyRotation: true,
      // Cannot be changed later. With it, a replica in another region decrypts backups that are restored there.
      multiRegion: true,
      deletionWindowInDays: stage.isEphemeral ? 7 : 30,
    },
    // Without it no secret in any backup of the table decrypts.
    { protect: isKept, retainOnDelete: isKept },
  );
  new aws.kms.Alias("KeyAlias", { name: `alias/${$app.name}-${stage.name}`, targetKeyId: key.keyId });
  // By which the operator's command finds it, within `sst shell`.
  new sst.Linkable("SecretsKey", { properties: { arn: key.arn } });
  return key;
}
