/** The translator's objects in a management cluster with the providers' webhooks: accepted objects and refused changes. */

import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "#core/cluster/entity.ts";
import type { AccountDetails, TranslatedType, TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { exampleNames, exampleOf } from "#test/support/cluster-api/examples.ts";
import { translateAll, translatedTypes } from "#test/support/cluster-api/translating.ts";
import type { Json } from "#test/support/world.ts";
import type { KubernetesObject } from "./api-server.ts";
import { managementCluster } from "./lab.ts";

/** Returns an input whose objects are in a namespace of their own. */
const inOwnNamespace = (input: TranslationInput): TranslationInput => ({
  ...input,
  organisationIdentity: randomUUID(),
  account: { ...input.account, identity: randomUUID() },
});

const objectsOf = (input: TranslationInput) => translateAll(input) as (Manifest & KubernetesObject)[];

async function createNamespaces(objects: readonly KubernetesObject[]): Promise<void> {
  const names = new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []));
  await managementCluster().applyAll(
    [...names].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
  );
}

/** Checks objects without storing them. @returns answers that are not a success */
async function refusals(objects: readonly KubernetesObject[]): Promise<string[]> {
  const answers: string[] = [];
  for (const object of objects) {
    const { status, body } = await managementCluster().apply(object, { dryRun: "All", force: "true" });
    if (status >= 300) answers.push(`${object.kind}: ${status} ${body?.message}`);
  }
  return answers;
}

const examples = translatedTypes.flatMap((type) => exampleNames.map((name) => ({ type, name })));

test.each(examples)("every object of the $name cluster of $type is accepted", async ({ type, name }) => {
  const objects = objectsOf(inOwnNamespace(exampleOf(type, name)));
  await createNamespaces(objects);
  expect(await refusals(objects)).toEqual([]);
});

type Change = (input: TranslationInput) => TranslationInput;

const cluster =
  (properties: Partial<Cluster>): Change =>
  (input) => ({ ...input, cluster: { ...input.cluster, ...properties } });
const settings =
  (properties: object): Change =>
  (input) => ({ ...input, settings: { ...input.settings, ...properties } as TranslationInput["settings"] });
const details =
  (properties: Partial<AccountDetails>): Change =>
  ({ accountDetails, ...input }) => ({
    ...input,
    accountDetails: accountDetails && { ...accountDetails, ...properties },
  });

/** Changes of a present cluster of any cloud that must be possible. */
const ALLOWED: Record<string, Change> = {
  "another IP whitelist": cluster({ ipWhitelist: [{ cidr: "192.0.2.0/25", description: "" }] }),
  "no IP whitelist": cluster({ ipWhitelist: [] }),
  "another environment": cluster({ environment: "staging" }),
  "one availability zone": cluster({ enableMultiAvailabilityZones: false }),
  "no encryption of the network": cluster({ enableNetworkEncryption: false }),
  "one machine of the control plane": cluster({ highlyAvailable: false }),
  "another system disk": settings({ diskGiB: 99 }),
};

/** Changes of a present cluster that its cloud can, and cannot make, with a part of the refusal. */
const BY_TYPE: Partial<
  Record<TranslatedType, { allowed: Record<string, Change>; refused: Record<string, [Change, string]> }>
> = {
  aws: {
    allowed: {},
    refused: { "another region": [cluster({ region: "eu-central-1" }), "spec.region: Invalid value"] },
  },
  azure: {
    allowed: { "another service principal": details({ clientId: randomUUID(), tenantId: randomUUID() }) },
    refused: {
      "another region": [cluster({ region: "northeurope" }), "spec.location: Invalid value"],
      "another subscription": [details({ subscriptionId: randomUUID() }), "spec.subscriptionID: Invalid value"],
      "an internal load balancer without the feature gate": [
        settings({ internalLoadBalancer: true }),
        "Public Load Balancers cannot have a Private IP",
      ],
    },
  },
  openstack: {
    allowed: { "other name servers": settings({ dnsServers: ["192.0.2.54"] }) },
    refused: {
      "another region": [settings({ regionName: "RegionTwo" }), "region is immutable"],
      "another network of machines": [settings({ nodeCidr: "10.99.0.0/24" }), "cannot change subnet CIDR"],
      "another external network": [settings({ externalNetworkId: randomUUID() }), "cannot be modified"],
    },
  },
};

/** Property of a machine template with the node type. */
const SIZE: Record<string, string> = { aws: "instanceType", azure: "vmSize", openstack: "flavor" };

describe.each(Object.entries(BY_TYPE))("a present cluster of %s", (type, { allowed, refused }) => {
  const input = inOwnNamespace(exampleOf(type as TranslatedType, "full"));
  // Controllers do not change the objects of a paused cluster, so all changes are those of the test.
  const objects = objectsOf(input).map((object) =>
    object.kind === "Cluster" ? { ...object, spec: { ...object.spec, paused: true } } : object,
  );
  const isFirst = ({ kind }: KubernetesObject) => kind === "Namespace" || kind === "Cluster";
  const ordered = [...objects.filter(isFirst), ...objects.filter((each) => !isFirst(each))];

  async function versions(): Promise<string[]> {
    const answers = [];
    for (const object of ordered) answers.push(await managementCluster().apply(object));
    return answers.map(({ status, body }) => {
      expect(status, body.message).toBeLessThan(300);
      return `${body.kind} ${body.metadata.name} ${body.metadata.generation} ${body.metadata.resourceVersion}`;
    });
  }

  beforeAll(async () => {
    await createNamespaces(objects);
    await managementCluster().applyAll(ordered);
  });

  test("a second apply of the same objects changes nothing", async () => {
    const isSame = async () => {
      const [before, after] = [await versions(), await versions()];
      return before.join() === after.join();
    };
    // Cluster API sets the owners of the objects in the meantime.
    await expect.poll(isSame, { timeout: 60_000 }).toBe(true);
  });

  test.each(Object.entries({ ...ALLOWED, ...allowed }))("the webhooks accept %s", async (_, change) => {
    expect(await refusals(objectsOf(change(input)))).toEqual([]);
  });

  test.each(Object.entries(refused))("the webhooks refuse %s", async (_, [change, message]) => {
    expect(await refusals(objectsOf(change(input)))).toEqual([expect.stringContaining(message)]);
  });

  test("has machine templates that do not change", async () => {
    const templates = objectsOf(input).filter(({ kind }) => kind.endsWith("MachineTemplate"));
    for (const template of templates as Json[]) template.spec.template.spec[SIZE[type] ?? ""] = "other";
    const answers = await refusals(templates);
    expect(answers).toHaveLength(templates.length);
    for (const answer of answers) expect(answer).toMatch(/immutable/);
  });
});

test("another IP whitelist on azure replaces the rule of the API server, whose name changes", async () => {
  const input = inOwnNamespace(exampleOf("azure", "full"));
  const withRanges = (...cidrs: string[]) => {
    const ipWhitelist = cidrs.map((cidr) => ({ cidr, description: "" }));
    return objectsOf(cluster({ ipWhitelist })(input)).filter(({ kind }) => kind === "AzureCluster");
  };
  const rulesIn = ({ spec }: Json): Json[] => spec.networkSpec.subnets[0].securityGroup.securityRules;
  const [before = {} as KubernetesObject] = withRanges("203.0.113.0/24");
  await createNamespaces([before]);
  await managementCluster().applyAll([before]);
  for (const ranges of [["192.0.2.0/24"], []]) {
    const [after = {} as KubernetesObject] = withRanges(...ranges);
    const { status, body } = await managementCluster().apply(after, { dryRun: "All" });
    expect(status, body.message).toBe(200);
    expect(rulesIn(body)).toHaveLength(2);
    expect(rulesIn(body)).toEqual(expect.arrayContaining(rulesIn(after).map((rule) => expect.objectContaining(rule))));
    expect(rulesIn(body).find(({ action }) => action === "Allow")?.name).not.toBe(rulesIn(before)[0]?.name);
  }
});
