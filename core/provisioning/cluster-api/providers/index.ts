/** Translations by the type of the provider. */

import type { TranslatedType } from "../input.ts";
import type { ProviderTranslation } from "../provider.ts";
import { aws } from "./aws.ts";
import { azure } from "./azure.ts";
import { digitalocean } from "./digitalocean.ts";
import { hetzner } from "./hetzner.ts";
import { none } from "./none.ts";
import { openstack } from "./openstack.ts";
import { vsphere } from "./vsphere.ts";

/** Types of which the control plane runs on machines of the provider. */
export type MachineType = Exclude<TranslatedType, "byon">;

/** Translation of each provider with machines. */
export const translations: { readonly [Type in MachineType]: ProviderTranslation<Type> } = {
  none,
  aws,
  azure,
  digitalocean,
  hetzner,
  openstack,
  vsphere,
};
