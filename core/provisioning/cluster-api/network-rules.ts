/** Rules for the objects of a network in a profile file. Pure functions. */

import { type Document, isMap, isScalar, parseAllDocuments, visit } from "yaml";
import { PRODUCT_PREFIX } from "../../node-pool/reserved-names.ts";
import type { Problem } from "../../shared/errors.ts";
import { formatValue } from "../../shared/validation.ts";
import { PLACEHOLDERS, placeholder } from "./network.ts";

/** Maximum size of a network's manifests, in bytes: a Secret has at most 1 MiB, and base64 is a third longer than the text. */
const MAX_MANIFESTS_BYTES = 700_000;

/** Values in place of the placeholders. That of the encryption is found again in the parsed objects. */
const EXAMPLE_BLOCK = "10.0.0.0/16";
const EXAMPLE_ENCRYPTION = "example-of-encryption";

const names = Object.keys(PLACEHOLDERS) as (keyof typeof PLACEHOLDERS)[];

/** Names in braces, also those that are spelled differently and not replaced. */
const anyPlaceholder = new RegExp(`\\{\\{\\s*(${names.join("|")})\\s*\\}\\}`, "gi");

/** Returns whether a part of an object depends on the encryption. */
function dependsOnEncryption(document: Document, path: readonly string[]): boolean {
  const part = document.getIn(path, true);
  let isFound = false;
  if (part !== undefined) {
    visit(part as Parameters<typeof visit>[0], {
      Scalar(_, { value }) {
        if (typeof value !== "string" || !value.includes(EXAMPLE_ENCRYPTION)) return undefined;
        isFound = true;
        return visit.BREAK;
      },
    });
  }
  return isFound;
}

/**
 * Finds ConfigMaps with the encryption of a network whose agents do not start again when it changes: pods read a ConfigMap at their start.
 * Agents that watch an object of their own, such as those of calico, need no restart.
 */
function restartProblems(path: string, documents: readonly Document[]): Problem[] {
  const ofKind = (kind: string) => documents.filter((document) => document.get("kind") === kind);
  const agents = ofKind("DaemonSet");
  if (agents.length === 0 || agents.some((each) => dependsOnEncryption(each, ["spec", "template"]))) return [];
  return ofKind("ConfigMap")
    .filter((each) => dependsOnEncryption(each, ["data"]))
    .map((each) => {
      const where = `has ${placeholder("encryption")} in the ConfigMap ${each.getIn(["metadata", "name"])}, but in the pod template of no DaemonSet`;
      const annotation = `${PRODUCT_PREFIX}encryption: "${placeholder("encryption")}"`;
      const message = `${where}, so running agents would ignore a change; add the annotation ${annotation} to the pod template`;
      return { path, message };
    });
}

/** Finds problems of a network's manifests, with example values in place of the placeholders. @param path path in the profile file */
export function manifestProblems(path: string, text: string): Problem[] {
  const problems: Problem[] = [];
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_MANIFESTS_BYTES)
    problems.push({ path, message: `has ${bytes} bytes, but at most ${MAX_MANIFESTS_BYTES} are allowed` });
  const present = new Set(text.match(anyPlaceholder));
  for (const wrong of present) {
    if (names.some((name) => placeholder(name) === wrong)) continue;
    const message = `${formatValue(wrong)} is not replaced: must be one of ${names.map(placeholder).join(", ")}`;
    problems.push({ path, message });
  }
  const example = text.replaceAll(anyPlaceholder, (name) =>
    /encryption/i.test(name) ? EXAMPLE_ENCRYPTION : EXAMPLE_BLOCK,
  );
  const parsed = parseAllDocuments(example, { logLevel: "silent" });
  const objects: Document[] = [];
  for (const [index, document] of (Array.isArray(parsed) ? parsed : []).entries()) {
    const [error] = document.errors;
    if (error !== undefined) {
      problems.push({ path, message: `document ${index + 1}: ${error.message.trim()}` });
      continue;
    }
    if (isScalar(document.contents) && document.contents.value === null) continue;
    const isNamed = [["apiVersion"], ["kind"], ["metadata", "name"]].every(
      (at) => typeof document.getIn(at) === "string",
    );
    if (isMap(document.contents) && isNamed) {
      objects.push(document as Document);
      continue;
    }
    problems.push({ path, message: `document ${index + 1} is not an object with apiVersion, kind and metadata.name` });
  }
  if (problems.length > 0) return problems;
  if (objects.length === 0) return [{ path, message: "contains no objects" }];
  if (!present.has(placeholder("podSubnet"))) {
    const message = `lacks ${placeholder("podSubnet")}, so pods would ignore the clusterPodSubnet of their cluster; write it where the network has its range, or in a comment if the network uses the ranges that Kubernetes assigns to nodes`;
    problems.push({ path, message });
  }
  return [...problems, ...restartProblems(path, objects)];
}
