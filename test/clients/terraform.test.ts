/**
 * Checks the Terraform configuration of docs/clients.md without Terraform: its own parser reads it, and the requests that the provider
 * was observed to send for its attributes go to a server.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "#test/core/node-bootstrap/tools.ts";
import { type AcloudClient, acloudClient } from "#test/support/acloud.ts";
import { blocksOf } from "#test/support/documentation.ts";
import { cleanUp, ROOT, type Server, start, temporary, until } from "#test/support/server.ts";
import {
  type ClusterConfig,
  clusterResource,
  type NodePoolConfig,
  nodePoolResource,
  plan,
} from "#test/support/terraform.ts";
import type { Json, World } from "#test/support/world.ts";

const READER = join(ROOT, ".ci/clients/terraform");
const hasGo = spawnSync("go", ["version"]).error === undefined;

if (!hasGo)
  process.stderr.write(
    "Go is missing: the tests of Terraform's configuration are skipped. Install Go 1.26 or newer.\n",
  );

/** Attributes that the provider's version 0.11 has, by the kind of block. */
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  "provider acloud": ["acloud_api", "token", "organisation"],
  "data acloud_cloud_account": ["organisation", "display_name", "cloud_provider"],
  "resource acloud_cluster": [
    ...["environment", "organisation", "name", "region", "cloud_account_identity", "version", "update_channel"],
    ...["description", "cni", "pod_security_standards_profile", "enable_multi_availability_zones"],
    ...["enable_private_cluster", "enable_network_encryption", "enable_high_available_control_plane"],
    ...["enable_auto_upgrade", "maintenance_schedule_id", "delete_protection", "cluster_state_wait_seconds"],
  ],
  "resource acloud_nodepool": [
    ...["environment", "organisation", "cluster", "name", "node_size", "auto_scaling", "node_count", "min_size"],
    ...["max_size", "availability_zone", "node_auto_replacement", "upgrade_strategy", "annotations", "labels"],
  ],
};

interface Attribute {
  value?: unknown;
  /** Text of an expression that refers to another block. */
  reference?: string;
}

interface Block {
  type: string;
  labels: string[] | null;
  attributes: Record<string, Attribute>;
}

describe.skipIf(!hasGo)("the documented Terraform configuration", () => {
  const [[, text = ""] = []] = blocksOf("docs/clients.md", "Terraform").filter(([language]) => language === "hcl");
  let server: Server;
  let client: AcloudClient;
  let read: { formatted: boolean; blocks: Block[] };

  beforeAll(async () => {
    read = JSON.parse(run("go", ["run", "-C", READER, "-mod=readonly", "."], text));
    server = await start({ DATA_DIR: temporary(), LOG_LEVEL: "warn", SIMULATED_STEP_MS: "50" });
    // The provider's address and organisation decide where its requests go.
    const { acloud_api: address, organisation } = valuesOf("provider acloud", {});
    const base = String(address).replace("http://127.0.0.1:4000", server.url);
    const send: World["send"] = async (method, path, { token, headers, body } = {}) => {
      const response = await fetch(`${base}${path.replace(/^\/acloud/, "")}`, {
        method,
        headers: { ...headers, authorization: `Token ${token}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = await response.text();
      const { status, headers: received } = response;
      return { status, headers: received, text: answer, body: answer === "" ? undefined : JSON.parse(answer) };
    };
    client = acloudClient({ send }, { slug: String(organisation), admin: server.token });
  }, 300_000);
  afterAll(cleanUp);

  const kindOf = ({ type, labels }: Block) => `${type} ${labels?.[0] ?? ""}`.trim();

  /** Returns the attributes of the only block of a kind. @param known values of the expressions that it refers to */
  function valuesOf(kind: string, known: Record<string, unknown>): Record<string, unknown> {
    const [block, ...others] = read.blocks.filter((each) => kindOf(each) === kind);
    if (block === undefined || others.length > 0) throw new Error(`there is not one block ${kind}`);
    return Object.fromEntries(
      Object.entries(block.attributes).map(([name, { value, reference }]) => [
        name,
        reference === undefined ? value : known[reference],
      ]),
    );
  }

  /** Returns the value of a variable if no other is given. */
  const defaultOf = (name: string) =>
    read.blocks.find(({ type, labels }) => type === "variable" && labels?.[0] === name)?.attributes.default?.value;

  test("it has the format of Terraform, and only attributes that the provider has", () => {
    expect(read.formatted).toBe(true);
    const blocks = read.blocks.filter(({ type }) => !["terraform", "variable"].includes(type));
    expect(new Set(blocks.map(kindOf))).toEqual(new Set(Object.keys(ATTRIBUTES)));
    const unknown = blocks.flatMap((block) =>
      Object.keys(block.attributes).filter((name) => !ATTRIBUTES[kindOf(block)]?.includes(name)),
    );
    expect(unknown).toEqual([]);
  });

  test("the provider's requests for it create, change and delete a cluster and a pool, and every plan is empty", async () => {
    const data = valuesOf("data acloud_cloud_account", {});
    const { elements } = await client.pages(
      "CloudAccountResponse",
      `/orgs/${data.organisation}/cloud-accounts?display-name=${data.display_name}&cloud-provider-slug=${data.cloud_provider}`,
    );
    expect(elements).toHaveLength(1);
    const cluster = valuesOf("resource acloud_cluster", {
      "data.acloud_cloud_account.aws.identity": elements[0].identity,
    }) as ClusterConfig;
    const state = await clusterResource.create(client, cluster);
    await until(async () => (await clusterResource.isThere(client, cluster, state)) || undefined);
    const poolWith = (nodes: unknown) =>
      valuesOf("resource acloud_nodepool", {
        "acloud_cluster.shop.environment": cluster.environment,
        "acloud_cluster.shop.slug": state.slug,
        "var.nodes": nodes,
      }) as NodePoolConfig;
    const plans = async (pool: NodePoolConfig, poolState: Json) => [
      ...(await plan(clusterResource, client, cluster, state)),
      ...(await plan(nodePoolResource, client, pool, poolState)),
    ];

    const pool = poolWith(defaultOf("nodes"));
    const poolState = await nodePoolResource.create(client, pool);
    expect(await plans(pool, poolState)).toEqual([]);
    const changed = poolWith(3);
    expect(await plans(changed, poolState)).toEqual(["min_size: 2 -> 3", "max_size: 2 -> 3"]);
    await nodePoolResource.update(client, changed, poolState);
    expect(await plans(changed, poolState)).toEqual([]);
    await nodePoolResource.remove(client, changed, poolState);
    await clusterResource.remove(client, cluster, state);
    await until(async () => {
      const { status } = await client.send("GET", `/orgs/{org}/clusters/${cluster.environment}/${state.slug}`);
      return status === 404 || undefined;
    });
  });
});
