import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { buildJoinDocuments } from "#core/node-bootstrap/documents.ts";
import { nodePoolItem, nodePoolsOf } from "#core/node-pool/items.ts";
import { PRODUCT_PREFIX } from "#core/node-pool/reserved-names.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { makeWorld, type Tenant, type TestResponse, type World } from "#test/support/world.ts";
import { clusterToJoin, poolToJoin } from "../core/node-bootstrap/inputs.ts";

let world: World;
let tenant: Tenant;
let clusters = 0;

beforeAll(async () => {
  world = await makeWorld();
});
beforeEach(async () => {
  tenant = await world.tenant();
});

const pool = (more: object) => ({ name: "web", nodeSize: "t3.medium", ...more });
const byon = () => ({ cloudAccountIdentity: tenant.byonAccount.identity, region: "europe" });
const send = (method: string, path: string, body?: unknown) => world.send(method, path, { token: tenant.admin, body });

/** Creates a cluster with one pool. */
async function create(
  more: object,
  own: object = {},
): Promise<{ response: TestResponse; name: string; pools: string }> {
  const name = `c${++clusters}`;
  const body = tenant.creation({ name, nodePools: [pool(more)], ...own });
  const response = await send("POST", tenant.path("production"), body);
  return { response, name, pools: `${tenant.path("production", name)}/pools` };
}

/** The property that holds a name, of each kind. */
const given = (kind: string, name: string, value = "x"): object =>
  kind === "taints" ? { taints: [{ key: name, value, effect: "NoSchedule" }] } : { [kind]: { [name]: value } };

const pathOf = (kind: string, name: string) => (kind === "taints" ? "taints[0].key" : `${kind}.${name}`);

/** Expects a refusal of a name by every request that can send it. */
async function expectRefused(kind: string, name: string, reason: RegExp): Promise<void> {
  const start = (prefix: string) =>
    `${prefix}${pathOf(kind, name)}: "${kind === "taints" ? name : "x"}" is not allowed: `;
  const created = await create(given(kind, name));
  expect([created.response.status, created.response.body.details]).toEqual([400, [expect.stringMatching(reason)]]);
  expect(created.response.body.message.startsWith(start("nodePools[0]."))).toBe(true);
  const { pools } = await create({});
  const [{ id }] = (await send("GET", pools)).body;
  const added = await send("POST", pools, { ...pool(given(kind, name)), name: "other" });
  const changed = await send("PUT", `${pools}/${id}`, given(kind, name));
  for (const { status, body } of [added, changed]) {
    expect([status, body.details]).toEqual([400, [expect.stringMatching(reason)]]);
    expect(body.message.startsWith(start(""))).toBe(true);
  }
}

const KINDS = ["labels", "annotations", "taints"];

/** The labels in `--node-labels`, and the taints, that documents hold for a pool without labels and taints. */
function writtenByProduct(): { labels: string[]; taints: unknown[] } {
  const documents = buildJoinDocuments(clusterToJoin({ pool: poolToJoin({ labels: {}, taints: [] }) }));
  const script = Buffer.from(documents.installScriptBase64, "base64").toString();
  const [, labels = ""] = /--node-labels=(\S*)/.exec(script) ?? [];
  const kubelet = parse(Buffer.from(documents.kubeletConfigBase64, "base64").toString());
  return {
    labels: labels.split(",").map((label) => label.split("=")[0] ?? ""),
    taints: kubelet.registerWithTaints ?? [],
  };
}

describe("names that the product writes", () => {
  test("every label that node documents add to those of the pool is refused as a label, annotation and taint", async () => {
    const { labels, taints } = writtenByProduct();
    expect(labels.length).toBeGreaterThan(0);
    expect(taints).toEqual([]);
    for (const name of labels) {
      expect(name.startsWith(PRODUCT_PREFIX)).toBe(true);
      for (const kind of KINDS) await expectRefused(kind, name, /this service sets it; set enableNodeReboots instead$/);
    }
  });

  test("every other name with the product's prefix is refused, and a name with a longer prefix is accepted", async () => {
    await expectRefused("labels", "ame-clusters/Node-Reboots", /set enableNodeReboots instead$/);
    for (const kind of KINDS) await expectRefused(kind, "ame-clusters/x", /use your own prefix, such as example.com/);
    expect(
      (await create({ labels: { "x.ame-clusters/node-reboots": "a", "node-reboots": "b" } })).response.status,
    ).toBe(200);
  });
});

describe("names that Kubernetes writes on each node", () => {
  test.each([
    ...["kubernetes.io/hostname", "kubernetes.io/Hostname", "kubernetes.io/os", "kubernetes.io/arch"].flatMap((name) =>
      KINDS.map((kind) => [kind, name]),
    ),
    ["labels", "beta.kubernetes.io/arch"],
    ["labels", "node.kubernetes.io/windows-build"],
    ["labels", "topology.ebs.csi.aws.com/zone"],
    ["labels", "topology.hostpath.csi/node"],
    ["labels", "topology.gke.io/zone"],
    ["labels", "topology.kubernetes.io/zone"],
    ["labels", "topology.kubernetes.io/region"],
    ["labels", "failure-domain.beta.kubernetes.io/zone"],
    ["labels", "node.kubernetes.io/instance-type"],
    ["labels", "topology.k8s.aws/zone-id"],
    ["annotations", "volumes.kubernetes.io/controller-managed-attach-detach"],
    ["annotations", "node.alpha.kubernetes.io/ttl"],
    ["annotations", "csi.volume.kubernetes.io/nodeid"],
    ["annotations", "alpha.kubernetes.io/provided-node-ip"],
    ["annotations", "kubeadm.alpha.kubernetes.io/cri-socket"],
    ["annotations", "projectcalico.org/IPv4Address"],
    ["annotations", "network.cilium.io/ipv4-pod-cidr"],
    ["annotations", "flannel.alpha.coreos.com/public-ip"],
    ["taints", "node.cloudprovider.kubernetes.io/uninitialized"],
    ["taints", "node.cloudprovider.kubernetes.io/shutdown"],
    ["taints", "ToBeDeletedByClusterAutoscaler"],
    ...["not-ready", "unreachable", "unschedulable", "memory-pressure", "disk-pressure", "pid-pressure"].map((name) => [
      "taints",
      `node.kubernetes.io/${name}`,
    ]),
    ["taints", "node.kubernetes.io/network-unavailable"],
    ["taints", "node.kubernetes.io/out-of-service"],
  ])("%s with the name %s, which Kubernetes writes, are refused with the reason", async (kind = "", name = "") => {
    await expectRefused(
      kind,
      name,
      / (own value|the values of its storage driver|according to the state of each node); /,
    );
  });

  test("labels for zone, region and machine type are accepted for machines of the user's own", async () => {
    const labels = { "topology.kubernetes.io/zone": "rack-1", "node.kubernetes.io/instance-type": "r740" };
    const { response, pools } = await create({ labels, nodeSize: undefined }, byon());
    expect([response.status, (await send("GET", pools)).body[0].labels]).toEqual([200, labels]);
    const hostname = await create({ labels: { "kubernetes.io/hostname": "a" }, nodeSize: undefined }, byon());
    expect(hostname.response.status).toBe(400);
  });
});

describe("labels that a kubelet may not set", () => {
  test.each(["example.k8s.io/team", "kubernetes.io/role", "app.kubernetes.io/name", "topology.k8s.io/zone"])(
    "the label %s is refused, because a kubelet does not start with it",
    async (name) => {
      await expectRefused("labels", name, /a kubelet may not set labels of this domain and does not start with them; /);
    },
  );

  test.each(KINDS.filter((kind) => kind !== "annotations"))(
    "a role of the control plane is refused in %s",
    async (kind) => {
      for (const role of ["control-plane", "master"]) {
        await expectRefused(
          kind,
          `node-role.kubernetes.io/${role}`,
          /kubeadm sets it on nodes of the control plane; use /,
        );
      }
    },
  );

  test("names that administrators and users set on nodes are accepted", async () => {
    const sent = {
      labels: {
        "node-role.kubernetes.io/worker": "",
        "node-restriction.kubernetes.io/team": "a",
        "node.kubernetes.io/exclude-from-external-load-balancers": "true",
        "disk.node.kubernetes.io/kind": "ssd",
        "notkubernetes.io/hostname": "a",
      },
      annotations: { "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true", "projectcalico.org/asn": "1" },
      taints: [
        { key: "node.cilium.io/agent-not-ready", value: "true", effect: "NoExecute" },
        { key: "node-role.kubernetes.io/worker", effect: "NoSchedule" },
      ],
    };
    const { response, pools } = await create(sent);
    expect(response.status, response.text).toBe(200);
    expect((await send("GET", pools)).body).toMatchObject([sent]);
  });
});

test("a stored reserved name can be sent again and removed, but not changed, and is not set on machines", async () => {
  const stored = {
    labels: { "ame-clusters/node-reboots": "enabled", "kubernetes.io/hostname": "one", team: "a" },
    annotations: { "node.alpha.kubernetes.io/ttl": "0" },
    taints: [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" as const }],
  };
  const { response, pools } = await create({});
  const [before] = await nodePoolsOf(world.table, response.body.identity);
  if (before === undefined) throw new Error("the cluster has no pool");
  const transaction = new Transaction().put("pool", nodePoolItem({ ...before, ...stored }), {
    condition: "attribute_exists(pk)",
  });
  expect(await commit(world.table, transaction, deadlineIn(1_000))).toEqual([]);
  const one = `${pools}/${before.id}`;

  const repeated = await send("PUT", one, { ...stored, minSize: 2, maxSize: 2 });
  expect([repeated.status, repeated.body], repeated.text).toEqual([200, expect.objectContaining(stored)]);
  const labels = { ...stored.labels, "ame-clusters/node-reboots": "disabled" };
  const changed = await send("PUT", one, { labels, taints: [{ ...stored.taints[0], value: "a" }] });
  expect(changed.body.details.map((detail: string) => detail.split(": ")[0])).toEqual([
    "labels.ame-clusters/node-reboots",
    "taints[0].key",
  ]);
  const documents = buildJoinDocuments(
    clusterToJoin({ pool: poolToJoin({ labels: stored.labels, enableNodeReboots: false }) }),
  );
  const script = Buffer.from(documents.installScriptBase64, "base64").toString();
  expect(script).toContain("--node-labels=ame-clusters/node-reboots=disabled,team=a\n");
  expect(script).not.toContain("hostname=one");
  expect((await send("PUT", one, { labels: {}, annotations: {}, taints: [] })).status).toBe(200);
});
