/** Builds the representation of a cloud account. */

import type { Representation } from "../../request/idempotency.ts";
import type { CloudAccount } from "../../tenancy/references-entity.ts";
import { profileOf } from "./rules.ts";
import { type CloudAccountResponse, cloudAccountEtag, toCloudAccountResponse } from "./schema.ts";

/** Builds the representation of a cloud account. */
export const representAccount = (account: CloudAccount): Representation<CloudAccountResponse> => ({
  kind: "representation",
  body: toCloudAccountResponse(account, profileOf(account)),
  etag: cloudAccountEtag(account),
});
