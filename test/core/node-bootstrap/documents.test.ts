import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type JoinConfigResponse, JoinConfigResponse as Response } from "#core/cluster-access/schema.ts";
import { buildJoinDocuments, hashPublicKey } from "#core/node-bootstrap/documents.ts";
import { clusterDnsAddress } from "#core/node-bootstrap/kubelet.ts";
import { REBOOTS_LABEL } from "#core/node-pool/reserved-names.ts";
import { securityUpdates, upgradeStrategies } from "#core/node-pool/schema.ts";
import { MISREAD } from "#test/support/misread.ts";
import { CERTIFICATE, clusterToJoin, PUBLIC_KEY_HASH, poolToJoin, TOKEN } from "./inputs.ts";
import { checkSyntax, run, testWith } from "./tools.ts";

const work = mkdtempSync(join(tmpdir(), "join-documents-"));
afterAll(() => rmSync(work, { recursive: true }));

/** Writes a text to a file that a program can read. */
function file(name: string, content: string): string {
  const path = join(work, name);
  writeFileSync(path, content);
  return path;
}

type Document = Exclude<keyof JoinConfigResponse, "joinCommand" | "versions">;

const text = (documents: JoinConfigResponse, document: Document): string =>
  Buffer.from(documents[document], "base64").toString();

/** Returns the files that cloud-init writes on the machine, by path. */
function filesOf(documents: JoinConfigResponse): Map<string, { content: string; permissions: string }> {
  const configuration = parse(text(documents, "cloudInitUserDataBase64")) as {
    write_files: { path: string; content: string; permissions: string; encoding?: string }[];
  };
  return new Map(
    configuration.write_files.map(({ path, content, permissions, encoding }) => {
      const plain = encoding === undefined ? content : gunzipSync(Buffer.from(content, "base64")).toString();
      return [path, { content: plain, permissions }];
    }),
  );
}

// Every branch of the scripts.
const ofCluster = buildJoinDocuments(clusterToJoin());
const ofPools = [
  ...upgradeStrategies.map((upgradeStrategy) => poolToJoin({ upgradeStrategy })),
  ...securityUpdates.map((securityUpdatesOnJoin) => poolToJoin({ securityUpdatesOnJoin, enableNodeReboots: false })),
].map((pool) => ({ pool, documents: buildJoinDocuments(clusterToJoin({ version: "v1.34.4-u-ame.2", pool })) }));
const all = [ofCluster, ...ofPools.map(({ documents }) => documents)];

test("a taint that YAML 1.1 reads as another type reaches the kubelet as a string, as in the golden document", async () => {
  const taints = [{ key: "dedicated", value: "yes", effect: "NoSchedule" as const }];
  const documents = buildJoinDocuments(clusterToJoin({ pool: poolToJoin({ taints }) }));
  const configuration = text(documents, "kubeletConfigBase64");
  expect(parse(configuration, { version: "1.1" })).toMatchObject({ registerWithTaints: taints });
  await expect(configuration).toMatchFileSnapshot("golden/kubelet-taint-yes.yaml");
});

test("YAML 1.1 and 1.2 read every string of the user data and the kubelet's configuration in the same way", () => {
  for (const value of MISREAD) {
    const taints = [{ key: value, value, effect: "NoSchedule" as const }];
    const pool = poolToJoin({ name: value, taints });
    const documents = buildJoinDocuments(clusterToJoin({ pool, clusterDomain: value }));
    for (const name of ["cloudInitUserDataBase64", "kubeletConfigBase64"] as const) {
      const document = text(documents, name);
      expect(parse(document, { version: "1.1" })).toEqual(parse(document, { version: "1.2" }));
    }
    expect(parse(text(documents, "kubeletConfigBase64"), { version: "1.1" })).toMatchObject({
      registerWithTaints: taints,
      clusterDomain: value,
    });
  }
});

test("node documents have the form that the API documents", () => {
  for (const documents of all) expect(v.parse(Response, documents)).toEqual(documents);
  expect(ofCluster.versions).toEqual({ kubernetes: "1.33.4", containerd: "2.1.6", crictl: "1.33.0" });
});

test("the join command contains the endpoint, the token and the authority's hash", () => {
  expect(ofCluster.joinCommand).toBe(
    `kubeadm join api.example.com:6443 --token ${TOKEN} --discovery-token-ca-cert-hash ${PUBLIC_KEY_HASH}`,
  );
  const commandTo = (endpoint: string) => buildJoinDocuments(clusterToJoin({ endpoint })).joinCommand;
  expect(commandTo("https://api.example.com")).toContain(" api.example.com:443 ");
  expect(commandTo("https://203.0.113.9:16443/")).toContain(" 203.0.113.9:16443 ");
  expect(commandTo("https://[2001:db8::1]:6443")).toContain(" '[2001:db8::1]:6443' ");
});

testWith("openssl")("openssl finds the same public key in the authority", () => {
  const key = run("openssl", ["x509", "-pubkey", "-noout"], CERTIFICATE);
  const digest = run("bash", ["-c", "openssl pkey -pubin -outform der | openssl dgst -sha256 -r"], key);
  expect(`sha256:${digest.split(" ")[0]}`).toBe(hashPublicKey(CERTIFICATE));
});

test("an invalid input for node documents is refused, and the error does not contain the token", () => {
  expect(() => buildJoinDocuments(clusterToJoin({ version: "v1.33.99-u-ame.1" }))).toThrow(
    "v1.33.99-u-ame.1 is unknown",
  );
  expect(() => buildJoinDocuments(clusterToJoin({ endpoint: "http://api.example.com" }))).toThrow("https://host:port");
  expect(() => buildJoinDocuments(clusterToJoin({ endpoint: "https://api.example.com/path" }))).toThrow(
    "https://host:port",
  );
  expect(() => buildJoinDocuments(clusterToJoin({ serviceSubnet: "10.96.0.1/12" }))).toThrow(
    "10.96.0.1/12: must have no bits",
  );
  expect(() => buildJoinDocuments(clusterToJoin({ certificate: "nothing" }))).toThrow();
  expect(() => buildJoinDocuments(clusterToJoin({ token: "abcdef.secret;" }))).toThrow(/^((?!secret).)*$/);
});

test("the cluster's DNS address is the tenth address of its service range", () => {
  expect(clusterDnsAddress("10.96.0.0/12")).toBe("10.96.0.10");
  expect(clusterDnsAddress("172.20.255.0/24")).toBe("172.20.255.10");
  expect(clusterDnsAddress("2001:db8::/112")).toBe("2001:db8::a");
});

test("the kubelet's configuration has DNS, cgroup driver and taints, and no taints property without taints", () => {
  const pool = poolToJoin();
  const documents = buildJoinDocuments(clusterToJoin({ pool, clusterDomain: "cluster.example" }));
  const configuration = parse(text(documents, "kubeletConfigBase64"));
  expect(configuration).toMatchObject({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    cgroupDriver: "systemd",
    clusterDNS: ["10.96.0.10"],
    clusterDomain: "cluster.example",
    registerWithTaints: pool.taints,
  });
  expect(parse(text(ofCluster, "kubeletConfigBase64"))).not.toHaveProperty("registerWithTaints");
});

test("a kubelet registers the labels that it may set, and the script prints the others", () => {
  const labels = {
    zone: "a",
    "topology.kubernetes.io/zone": "a",
    "disk.node.kubernetes.io/kind": "ssd",
    "node-role.kubernetes.io/worker": "",
    "node-restriction.kubernetes.io/team": "x",
    "example.k8s.io/team": "x",
    "notkubernetes.io/team": "x",
  };
  const pool = poolToJoin({ labels, enableNodeReboots: false });
  const script = text(buildJoinDocuments(clusterToJoin({ pool })), "installScriptBase64");
  const registered = [
    `${REBOOTS_LABEL}=disabled`,
    "disk.node.kubernetes.io/kind=ssd",
    "notkubernetes.io/team=x",
    "topology.kubernetes.io/zone=a",
    "zone=a",
  ].join(",");
  expect(script).toContain(`KUBELET_EXTRA_ARGS=--node-labels=${registered}\n`);
  expect(script).toContain(
    "kubectl label node: example.k8s.io/team=x node-restriction.kubernetes.io/team=x node-role.kubernetes.io/worker='\n",
  );
});

test("a user's label cannot override the label that allows reboots of machines", () => {
  const pool = poolToJoin({ labels: { [REBOOTS_LABEL]: "disabled" } });
  expect(text(buildJoinDocuments(clusterToJoin({ pool })), "installScriptBase64")).toContain(
    `${REBOOTS_LABEL}=enabled`,
  );
});

test("security updates and the reboot run only if the pool requests them", () => {
  const scriptOf = (updates: (typeof securityUpdates)[number]) =>
    text(
      buildJoinDocuments(clusterToJoin({ pool: poolToJoin({ securityUpdatesOnJoin: updates }) })),
      "installScriptBase64",
    );
  expect(scriptOf("OFF")).not.toContain("unattended-upgrade --verbose\n");
  expect(scriptOf("INSTALL")).toContain("  wait_for_lock unattended-upgrade --verbose\n");
  expect(scriptOf("INSTALL")).not.toContain("systemctl reboot");
  expect(scriptOf("INSTALL_AND_REBOOT")).toContain("  wait_for_lock unattended-upgrade --verbose\n");
  expect(scriptOf("INSTALL_AND_REBOOT")).toContain("systemctl reboot\n");
});

test("cloud-init uses the same install script and join command, and makes the token unreadable for other users", () => {
  for (const documents of all) {
    const files = filesOf(documents);
    expect(files.get("/usr/local/sbin/ame-clusters-install")).toEqual({
      content: text(documents, "installScriptBase64"),
      permissions: "0755",
    });
    const joining = files.get("/usr/local/sbin/ame-clusters-join");
    expect(joining?.content).toContain(`exec ${documents.joinCommand}\n`);
    expect(joining?.permissions).toBe("0700");
    // The limit of EC2.
    expect(text(documents, "cloudInitUserDataBase64").length).toBeLessThan(16 * 1024);
  }
});

test("the token occurs only in the documents that need it", () => {
  for (const { documents } of ofPools) {
    expect(text(documents, "installScriptBase64")).not.toContain(TOKEN);
    expect(text(documents, "upgradeScriptBase64")).not.toContain(TOKEN);
    expect(text(documents, "kubeletConfigBase64")).not.toContain(TOKEN);
  }
});

const joinScriptOf = (documents: JoinConfigResponse) =>
  filesOf(documents).get("/usr/local/sbin/ame-clusters-join")?.content ?? "";

test("the node scripts are valid bash", () => {
  checkSyntax(
    all.flatMap((documents) => [
      text(documents, "installScriptBase64"),
      text(documents, "upgradeScriptBase64"),
      joinScriptOf(documents),
    ]),
  );
});

testWith("shellcheck")("shellcheck finds nothing in any script", () => {
  // Upgrade scripts of other pools differ only in their head, which is a comment.
  const written = [
    ...ofPools.slice(upgradeStrategies.length).map(({ documents }) => text(documents, "installScriptBase64")),
    text(ofCluster, "installScriptBase64"),
    text(ofCluster, "upgradeScriptBase64"),
    joinScriptOf(ofCluster),
  ];
  const paths = written.map((script, at) => file(`${at}.sh`, script));
  expect(run("shellcheck", ["--norc", ...paths])).toBe("");
});

testWith("cloud-init")("cloud-init's own schema accepts the user data", () => {
  const path = file("user-data", text(ofCluster, "cloudInitUserDataBase64"));
  expect(run("cloud-init", ["schema", "--config-file", path])).toContain("Valid");
});

test("the node documents equal the reviewed golden files", async () => {
  const golden = (name: string) => `golden/${name}`;
  await expect(text(ofCluster, "upgradeScriptBase64")).toMatchFileSnapshot(golden("upgrade-cluster.sh"));
  await expect(text(ofCluster, "kubeletConfigBase64")).toMatchFileSnapshot(golden("kubelet-cluster.yaml"));
  for (const { pool, documents } of ofPools) {
    if (pool.securityUpdatesOnJoin === undefined) {
      const head = text(documents, "upgradeScriptBase64").split("set -euo pipefail")[0];
      await expect(head).toMatchFileSnapshot(golden(`upgrade-head-${pool.upgradeStrategy.toLowerCase()}.sh`));
    } else if (pool.securityUpdatesOnJoin === "INSTALL_AND_REBOOT") {
      await expect(text(documents, "installScriptBase64")).toMatchFileSnapshot(golden("install-pool.sh"));
      await expect(text(documents, "kubeletConfigBase64")).toMatchFileSnapshot(golden("kubelet-pool.yaml"));
    }
  }
});
