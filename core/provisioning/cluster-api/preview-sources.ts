/** Reads the stored data for the preview of a cluster that its configuration does not contain. Reads no secret. */

import { pointerEntity } from "../../cluster/entity.ts";
import type { Table } from "../../table/client.ts";
import { keyText, pointerKey, secretKey } from "../../table/keys.ts";
import { OIDC_CLIENT, registeredOidcClient } from "../oidc-client.ts";
import type { PreviewSubject } from "./preview.ts";

/** Reads the OIDC client of a cluster and the address of its API server. One database round trip. */
export async function readPreviewSources(
  table: Table,
  clusterIdentity: string,
): Promise<Pick<PreviewSubject, "oidc" | "apiAddress">> {
  const keys = { client: secretKey(clusterIdentity, OIDC_CLIENT), pointer: pointerKey(clusterIdentity) };
  const items = await table.get([keys.client, keys.pointer]);
  const pointer = items.get(keyText(keys.pointer));
  const endpoint = pointer && pointerEntity.read(pointer).observation?.endpoint;
  return { oidc: registeredOidcClient(items.get(keyText(keys.client))), apiAddress: addressOf(endpoint) };
}

/** Returns the host of an observed endpoint. On vsphere it is the allocated address. */
const addressOf = (endpoint: string | undefined): string | undefined =>
  endpoint === undefined ? undefined : URL.parse(endpoint)?.hostname.replace(/^\[|\]$/g, "");
