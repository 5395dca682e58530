/** Builds the representation of an environment. */

import type { Representation } from "../../request/idempotency.ts";
import type { Environment } from "../../tenancy/environment.ts";
import { type EnvironmentResponse, environmentEtag, toEnvironmentResponse } from "./schema.ts";

/** Builds the representation of an environment. @param organisation slug of its organisation */
export const representEnvironment = (
  environment: Environment,
  organisation: string,
): Representation<EnvironmentResponse> => ({
  kind: "representation",
  body: toEnvironmentResponse(environment, organisation),
  etag: environmentEtag(environment),
});
