/** Parts of the credentials of cloud accounts that objects show, because they are no secrets. */

import type { AccountDetails, TranslatedType } from "./input.ts";
import type { AccountSecrets } from "./provider.ts";

/** Takes the details from the credentials of an account, by the type of the provider; absent if its objects show none. */
export const detailsByType: Partial<Record<TranslatedType, (credentials: AccountSecrets) => AccountDetails>> = {
  azure: ({ subscriptionId = "", tenantId = "", clientId = "" }) => ({ subscriptionId, tenantId, clientId }),
};
