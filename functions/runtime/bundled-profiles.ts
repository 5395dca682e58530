/** Settings of the Cluster API provisioner that a build for AWS wrote into this bundle. */

import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import bundled from "./cluster-api-profiles.json" with { type: "json" };

/** Content of the operator's profile file; undefined in sources, and in a bundle that was built without such a file. */
export const bundledProfiles: Profiles | undefined =
  // The build replaces the JSON file, whose type here is null.
  (bundled as Profiles | null) ?? undefined;
