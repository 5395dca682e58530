/** Test world with a fake management cluster, and the catalogue with a machine image of every version. */

import { randomUUID } from "node:crypto";
import { createAccount } from "#core/admin/cloud-accounts.ts";
import { useCatalogue } from "#core/catalogue/index.ts";
import { resourceOf } from "#core/kubernetes/resources.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";
import { catalogueWithImages, generousProfiles } from "../limited-provisioner.ts";
import { addKnownSecrets } from "../secrets.ts";
import type { Json, RequestOptions, Tenant, TestResponse } from "../world.ts";
import { type FakeWorld, makeFakeWorld } from "./fake-world.ts";

/** Region, node type and credentials of a cluster on a provider. */
interface Place {
  region: string;
  nodeSize: string;
  /** Empty if the provider needs none. */
  credentials: Record<string, string>;
}

/** Places by provider. Each credential is a text of its own. DigitalOcean is missing, because the profile file names its only account. */
export const PLACES = {
  none: { region: "region-1", nodeSize: "small", credentials: {} },
  byon: { region: "europe", nodeSize: "byon", credentials: {} },
  aws: {
    region: "eu-west-1",
    nodeSize: "t3.medium",
    credentials: { accessKeyId: "key-id-of-aws-accounts", accessKeySecret: "secret-key-of-aws-accounts" },
  },
  azure: {
    region: "westeurope",
    nodeSize: "Standard_D2s_v5",
    credentials: {
      clientId: "11111111-aaaa-4000-8000-000000000001",
      clientSecret: "secret-of-azure-accounts",
      subscriptionId: "11111111-aaaa-4000-8000-000000000002",
      tenantId: "11111111-aaaa-4000-8000-000000000003",
    },
  },
  openstack: {
    region: "regionone",
    nodeSize: "m1.medium",
    credentials: { credential: "secret-of-openstack-accounts", credentialId: "id-of-openstack-credentials" },
  },
  hetzner: { region: "fsn1", nodeSize: "cx33", credentials: { apiKey: "key-of-hetzner-accounts" } },
  vsphere: {
    region: "datacenter-1",
    nodeSize: "medium",
    credentials: { username: "user-of-vsphere-accounts", password: "password-of-vsphere-accounts" },
  },
} as const satisfies Record<string, Place>;

/** Provider of a place. */
export type PlacedProvider = keyof typeof PLACES;

/** World with one tenant and a fake management cluster, in which clusters can be on every provider. */
export interface ManagedWorld {
  world: FakeWorld;
  tenant: Tenant;
  /** Settings of the provisioner, which a test may change as an operator changes the profile file. */
  profiles: Profiles;
  /** Sends a request of an admin. */
  send(method: string, path: string, body?: unknown, more?: RequestOptions): Promise<TestResponse>;
  /**
   * Creates a cloud account with credentials of the provider. No response and no output may contain them.
   *
   * @returns identity of the account
   */
  account(provider: PlacedProvider): Promise<string>;
  /** Creates a cluster in production. */
  create(more: Record<string, unknown>): Promise<Json>;
}

/** Number of accounts so far, for their names. */
let accounts = 0;

/** Creates a world. The catalogue belongs to the process: restore it with `useCatalogue(shippedCatalogue)` at the end. */
export async function makeManagedWorld(profiles = generousProfiles(randomUUID())): Promise<ManagedWorld> {
  useCatalogue(catalogueWithImages(""));
  const world = await makeFakeWorld(profiles);
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
    profiles,
    send,
    async account(provider) {
      const { credentials }: Place = PLACES[provider];
      for (const secret of Object.values(credentials)) {
        addKnownSecrets(secret, Buffer.from(secret).toString("base64"));
      }
      const { identity } = await createAccount(world.services, tenant.slug, {
        displayName: `${provider} ${++accounts}`,
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
