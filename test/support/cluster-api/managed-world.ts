/** Test world with a played management cluster, and the catalogue with a machine image of every version. */

import { randomUUID } from "node:crypto";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { useCatalogue } from "#core/catalogue/index.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import { catalogueWithImages, generousProfiles } from "../limited-provisioner.ts";
import type { Json, RequestOptions, Tenant, TestResponse } from "../world.ts";
import { makePlayedWorld, type PlayedWorld } from "./played-world.ts";

/** World with one tenant and a played management cluster, in which clusters can be on every provider. */
export interface ManagedWorld {
  world: PlayedWorld;
  tenant: Tenant;
  /** Sends a request of an admin. */
  send(method: string, path: string, body?: unknown, more?: RequestOptions): Promise<TestResponse>;
  /** Creates a cloud account with credentials. @returns its identity */
  account(provider: string, credentials: Record<string, string>): Promise<string>;
  /** Creates a cluster in production. */
  create(more: Record<string, unknown>): Promise<Json>;
}

/** Creates a world. The catalogue belongs to the process: restore it with `useCatalogue(shippedCatalogue)` at the end. */
export async function makeManagedWorld(): Promise<ManagedWorld> {
  useCatalogue(catalogueWithImages(""));
  const world = await makePlayedWorld(generousProfiles(randomUUID()));
  // Namespaces of the controllers that read credentials there.
  for (const name of ["capa-system", "capv-system"]) {
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    world.server.store.create(resourceOf(namespace), namespace, "operator");
  }
  const tenant = await world.tenant();
  const send: ManagedWorld["send"] = (method, path, body, more = {}) =>
    world.send(method, path, { token: tenant.admin, body, ...more });
  const successful = async (method: string, path: string, body: unknown) => {
    const response = await send(method, path, body);
    if (response.status >= 300) throw new Error(`${method} ${path}: ${response.text}`);
    return response.body;
  };
  return {
    world,
    tenant,
    send,
    async account(provider, credentials) {
      const { identity } = await createAccount(world.services, tenant.slug, {
        displayName: provider,
        cloudProfile: provider,
      });
      if (Object.keys(credentials).length > 0) {
        const path = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${identity}/credentials/${provider}`;
        await successful("POST", path, { displayName: "main", credentials });
      }
      return identity;
    },
    create: (more) => successful("POST", tenant.path("production"), tenant.creation(more)),
  };
}
