/** Rules of Kubernetes for the metadata of objects, which no schema of a custom resource contains. */

import type { Manifest } from "#core/provisioning/cluster-api/manifest.ts";

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const KEY_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const MAX_SUBDOMAIN = 253;
const MAX_ANNOTATION_BYTES = 256 * 1024;

/** Fields of metadata that the translator may write: controllers own all others. */
const FIELDS = ["name", "namespace", "labels", "annotations"];

/** Returns whether a text can be a label of a host name. */
export const isDnsLabel = (text: unknown): boolean => typeof text === "string" && LABEL.test(text);

const isSubdomain = (text: string) => text.length <= MAX_SUBDOMAIN && SUBDOMAIN.test(text);

function isKey(key: string): boolean {
  const [name = "", prefix, ...rest] = key.split("/").reverse();
  return rest.length === 0 && KEY_NAME.test(name) && (prefix === undefined || isSubdomain(prefix));
}

const isTexts = (value: unknown): value is Record<string, string> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((each) => typeof each === "string");

/** Finds problems of labels and annotations, of an object or of a template inside of one. */
export function textProblems(metadata: { labels?: unknown; annotations?: unknown }, path: string): string[] {
  const problems: string[] = [];
  const { labels = {}, annotations = {} } = metadata;
  if (!isTexts(labels)) problems.push(`${path}/labels: must be an object of texts`);
  else {
    for (const [key, value] of Object.entries(labels)) {
      if (!isKey(key)) problems.push(`${path}/labels: invalid key ${key}`);
      if (!LABEL_VALUE.test(value)) problems.push(`${path}/labels/${key}: invalid value ${value}`);
    }
  }
  if (!isTexts(annotations)) problems.push(`${path}/annotations: must be an object of texts`);
  else {
    const bytes = Object.entries(annotations)
      .flat()
      .reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (bytes > MAX_ANNOTATION_BYTES) problems.push(`${path}/annotations: ${bytes} bytes`);
    for (const key of Object.keys(annotations)) {
      // ValidateAnnotations folds the case of a key before it looks at it.
      if (!isKey(key.toLowerCase())) problems.push(`${path}/annotations: invalid key ${key}`);
    }
  }
  return problems;
}

/** Finds problems of the metadata of an object. @param isNamespaced scope of its kind */
export function metadataProblems({ metadata }: Manifest, isNamespaced: boolean): string[] {
  const { name, namespace } = metadata;
  const problems = Object.keys(metadata)
    .filter((field) => !FIELDS.includes(field))
    .map((field) => `/metadata: must not have ${field}`);
  if (typeof name !== "string" || !isSubdomain(name)) problems.push(`/metadata/name: invalid ${name}`);
  if (isNamespaced && !isDnsLabel(namespace)) problems.push(`/metadata/namespace: invalid ${namespace}`);
  if (!isNamespaced && namespace !== undefined) problems.push("/metadata/namespace: the kind has none");
  return [...problems, ...textProblems(metadata, "/metadata")];
}
