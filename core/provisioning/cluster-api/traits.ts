import type { ProvisionerTraits } from "../../context.ts";
import type { Profiles } from "./profiles.ts";
export const clusterApiTraits = (_profiles: Profiles): ProvisionerTraits => ({
  name: "cluster-api",
  needsCredentials: (type) => ["aws", "azure", "openstack", "hetzner", "vsphere"].includes(type),
  hasApiServers: true,
});
