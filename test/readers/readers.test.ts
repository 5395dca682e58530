/** Reads the project's YAML with the code of its consumers: kubelet, kubectl and cloud-init's PyYAML. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { buildKubeconfig } from "#core/cluster-access/oidc.ts";
import { buildJoinDocuments } from "#core/node-bootstrap/documents.ts";
import { CreateNodePool } from "#core/node-pool/schema.ts";
import { enclosingSpecialRange, parseCidr } from "#core/shared/ip.ts";
import { validate } from "#core/shared/validation.ts";
import { toYaml } from "#core/shared/yaml.ts";
import { CERTIFICATE, clusterToJoin, poolToJoin } from "#test/core/node-bootstrap/inputs.ts";
import { run } from "#test/core/node-bootstrap/tools.ts";
import { MISREAD } from "#test/support/misread.ts";

const isRequired = process.env.JOIN_TOOLS === "required";
const hasGo = spawnSync("go", ["version"]).error === undefined;
// cloud-init runs with the system's Python.
const PYTHON = "/usr/bin/python3";
const hasPyYaml = spawnSync(PYTHON, ["-c", "import yaml"]).status === 0;

if (!hasGo)
  process.stderr.write(
    "Go is missing: tests with the code of kubelet and kubectl are skipped. Install Go 1.26 or newer.\n",
  );
if (!hasPyYaml) process.stderr.write("PyYAML is missing: its tests are skipped. Install python3-yaml.\n");

const decode = (base64: string) => Buffer.from(base64, "base64").toString();

/** Documents with a text in every place that can contain a user's text. */
const documentsWith = (text: string) => {
  const taints = [{ key: text, value: text, effect: "NoSchedule" as const }];
  const documents = buildJoinDocuments(
    clusterToJoin({ clusterDomain: text, pool: poolToJoin({ name: text, taints }) }),
  );
  return {
    taints,
    kubelet: decode(documents.kubeletConfigBase64),
    userData: decode(documents.cloudInitUserDataBase64),
  };
};

const kubeconfigWith = (text: string) =>
  buildKubeconfig(text, {
    caCertificate: CERTIFICATE,
    clientId: text,
    clientSecret: text,
    endpoint: "https://api.example.com:6443",
    issuerUrl: text,
  });

/** Every input of `toYaml`, with a text as a value, in a list and as a key. */
const valueWith = (text: string) => ({ value: text, list: [text, true, 7], nested: [{ [text]: text }] });

describe.skipIf(!hasGo)("reading documents with the code of kubelet and kubectl", () => {
  const work = mkdtempSync(join(tmpdir(), "yaml-readers-"));
  const program = join(work, "yaml-readers");

  interface Result {
    // biome-ignore lint/suspicious/noExplicitAny: as the reader understood it
    read?: any;
    error?: string;
  }
  const readAll = (reader: string, texts: readonly string[]): Result[] =>
    JSON.parse(run(program, [], JSON.stringify(texts.map((text) => ({ reader, text })))));

  beforeAll(() => {
    run("go", [
      "build",
      "-C",
      resolve(import.meta.dirname, "../../.ci/yaml-readers"),
      "-mod=readonly",
      "-o",
      program,
      ".",
    ]);
  });
  afterAll(() => rmSync(work, { recursive: true }));

  test("the kubelet's strict decoder reads taints and domain as they were sent", () => {
    const all = MISREAD.map(documentsWith);
    const results = readAll(
      "kubelet",
      all.map(({ kubelet }) => kubelet),
    );
    for (const [at, { read, error }] of results.entries()) {
      expect(error).toBeUndefined();
      const { registerWithTaints, clusterDomain, shutdownGracePeriod } = read;
      const text = MISREAD[at] ?? "";
      // Go's JSON omits empty values.
      const kept = text === "" ? { effect: "NoSchedule", key: "" } : all[at]?.taints[0];
      expect(registerWithTaints).toEqual([kept]);
      expect(clusterDomain ?? "").toBe(text);
      expect(shutdownGracePeriod).toBe("1m0s");
    }
  });

  test("the kubelet's decoder refuses a taint without quotes and an unknown property, so it is strict", () => {
    const kubelet = documentsWith("yes").kubelet;
    const [unquoted, unknown] = readAll("kubelet", [
      kubelet.replace('value: "yes"', "value: yes"),
      `${kubelet}unknownProperty: 1\n`,
    ]);
    expect(unquoted?.error).toContain("cannot unmarshal bool");
    expect(unknown?.error).toContain("unknownProperty");
  });

  test("kubectl resolves context, cluster and user of a kubeconfig, and reads every parameter unchanged", () => {
    const results = readAll(
      "kubectl",
      MISREAD.map((text) => toYaml(kubeconfigWith(text === "" ? "a" : text))),
    );
    for (const [at, { read, error }] of results.entries()) {
      const text = MISREAD[at] || "a";
      expect(error).toBeUndefined();
      expect([read.context, read.cluster, read.user]).toEqual([text, text, text]);
      expect(read.args.slice(2)).toEqual([
        `--oidc-issuer-url=${text}`,
        `--oidc-client-id=${text}`,
        `--oidc-client-secret=${text}`,
      ]);
    }
  });

  const refusedBy = (reader: string, texts: readonly string[]) =>
    readAll(reader, texts).map(({ error }) => error !== undefined);
  const long = `${"a".repeat(61)}.`.repeat(4);
  const NAMES = [
    ...[
      "",
      "a",
      "A",
      "0",
      "-",
      "_",
      ".",
      "-a",
      "a-",
      "a.",
      "_a",
      "a_",
      "a b",
      "é",
      "a\n",
      "a/",
      "/a",
      "/",
      "a/b/c",
      "a//b",
    ],
    ...["a-b_c.9", "x".repeat(63), "x".repeat(64), "example.com/x", "Example.com/Owner", "EXAMPLE.COM/x", "a_b.c/x"],
    ...["a..b/x", ".a/x", "a./x", "-a.b/x", "a-.b/x", "a.b-/x", "9.9/9", `${"a".repeat(200)}/x`, "a b/x", "é/x", "a/é"],
    ...[
      `${long}a1234/x`,
      `${long}a12345/x`,
      `${long}a123456/x`,
      `${long}A1234/${"X".repeat(63)}`,
      `a/${"x".repeat(64)}`,
    ],
    ...["a\u0000", " a", "a ", "a/ b", "😀", "a:b", "a=b", "https://a/b"],
  ];

  test.each([
    ["label-key", (text: string) => ({ labels: { [text]: "" } })],
    ["label-key", (text: string) => ({ taints: [{ key: text, effect: "NoSchedule" }] })],
    ["label-value", (text: string) => ({ labels: { a: text } })],
    ["label-value", (text: string) => ({ taints: [{ key: "a", value: text, effect: "NoSchedule" }] })],
    ["annotation-key", (text: string) => ({ annotations: { [text]: "" } })],
  ])("Kubernetes' check %s refuses the same texts as the schema of node pools, in case %#", (reader, pool) => {
    const refused = NAMES.map((text) => validate(CreateNodePool, pool(text)).problems.length > 0);
    expect(refused).toEqual(refusedBy(reader, NAMES));
    expect(new Set(refused)).toEqual(new Set([true, false]));
  });

  const BLOCKS = [
    ...[
      "10.0.0.0/8",
      "10.0.0.0/08",
      "10.0.0.1/8",
      "010.0.0.0/8",
      "10.0.0.0/33",
      "10.0.0.0/-1",
      "10.0.0.0",
      "10/8",
      "/8",
    ],
    ...["0.0.0.0/0", "::/0", "2001:DB8::/32", "2001:db8::1/32", "2001:db8:0:0:0:0:0:1/128", "::/129", "fe80::%eth0/64"],
    ...["::ffff:10.0.0.0/104", "::ffff:a00:0/120", "2001:db8::192.0.2.1/128", "1::2::/64", "10.0.0.0/8 ", "", "😀/8"],
    ...[
      "0.0.0.0/32",
      "127.0.0.1/32",
      "127.255.255.255/32",
      "169.254.0.0/32",
      "224.0.0.1/32",
      "224.0.0.255/32",
      "::1/128",
    ],
    ...["::/128", "fe80::1/128", "febf::1/128", "fec0::1/128", "ff02::1/128", "126.0.0.0/32", "128.0.0.0/32"],
    ...["100.64.0.0/32", "198.18.0.0/32", "192.0.2.0/32", "192.0.0.0/32", "172.16.0.0/32", "fd00::1/128", "100::1/128"],
  ];

  test("a block that Kubernetes accepts is accepted here, and one that is accepted here is accepted there in its one spelling", () => {
    const blocks = BLOCKS.map(parseCidr);
    for (const [at, { error }] of readAll("cidr", BLOCKS).entries()) {
      if (error === undefined) expect([BLOCKS[at], typeof blocks[at]]).toEqual([BLOCKS[at], "object"]);
    }
    const accepted = blocks.filter((block) => typeof block !== "string");
    const spelt = accepted.map(({ address, bits }) => `${address}/${bits}`);
    const results = readAll("cidr", spelt);
    for (const [at, block] of accepted.entries()) {
      expect(results[at]?.error).toBeUndefined();
      expect(parseCidr(spelt[at] ?? "")).toEqual(block);
    }
    expect(accepted.length).toBeLessThan(BLOCKS.length);
  });

  test("an address that Kubernetes refuses for endpoints is in a special-purpose range, and no other of these is", () => {
    const hosts = BLOCKS.flatMap((text) => {
      const block = parseCidr(text);
      return typeof block === "string" || block.bits < block.address.length ? [] : [block];
    });
    const spelt = hosts.map(({ address, bits }) => `${address}/${bits}`);
    const allowed = readAll("cidr", spelt).map(({ read }, at) => [spelt[at], read]);
    expect(hosts.map((block, at) => [spelt[at], enclosingSpecialRange(block) === undefined])).toEqual(allowed);
    expect(new Set(allowed.map(([, read]) => read))).toEqual(new Set([true, false]));
  });

  test("the YAML package of Kubernetes reads every text back", () => {
    const results = readAll(
      "yaml",
      MISREAD.map((text) => toYaml(valueWith(text))),
    );
    for (const [at, text] of MISREAD.entries()) expect(results[at]).toEqual({ read: valueWith(text) });
  });
});

describe.skipIf(!hasPyYaml && !isRequired)("reading documents with PyYAML", () => {
  const readAll = (texts: readonly string[]) =>
    JSON.parse(
      run(
        PYTHON,
        [
          "-c",
          "import json, sys, yaml; json.dump([yaml.safe_load(each) for each in json.load(sys.stdin)], sys.stdout)",
        ],
        JSON.stringify(texts),
      ),
    );

  test("PyYAML reads every text back", () => {
    expect(readAll(MISREAD.map((text) => toYaml(valueWith(text))))).toEqual(MISREAD.map(valueWith));
  });

  test("PyYAML reads user data, kubelet's configuration and kubeconfig as YAML 1.2 does", () => {
    const texts = MISREAD.flatMap((text) => {
      const { kubelet, userData } = documentsWith(text);
      return [kubelet, userData, toYaml(kubeconfigWith(text))];
    });
    expect(readAll(texts)).toEqual(texts.map((text) => parse(text, { version: "1.2" })));
  });
});
