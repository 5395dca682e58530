/** Parts of a cloud account's credentials that are not secret and appear in objects. */

import type { AccountDetails, TranslatedType } from "./input.ts";
import type { AccountSecrets } from "./provider.ts";

/** Functions by the type of the provider that select these parts; absent if the objects of the provider contain none. */
export const detailsByType: Partial<Record<TranslatedType, (credentials: AccountSecrets) => AccountDetails>> = {
  azure: ({ subscriptionId = "", tenantId = "", clientId = "" }) => ({ subscriptionId, tenantId, clientId }),
};
