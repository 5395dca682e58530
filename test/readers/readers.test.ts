/** Reads the project's YAML with the code of its consumers: kubelet, kubectl and cloud-init's PyYAML. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { kubeconfigOf } from "#core/cluster-access/oidc.ts";
import { joinDocuments } from "#core/node-bootstrap/documents.ts";
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
  const documents = joinDocuments(clusterToJoin({ clusterDomain: text, pool: poolToJoin({ name: text, taints }) }));
  return {
    taints,
    kubelet: decode(documents.kubeletConfigBase64),
    userData: decode(documents.cloudInitUserDataBase64),
  };
};

const kubeconfigWith = (text: string) =>
  kubeconfigOf(text, {
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
  const readAll = (reader: "kubelet" | "kubectl" | "yaml", texts: readonly string[]): Result[] =>
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
