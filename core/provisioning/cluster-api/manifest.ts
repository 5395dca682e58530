/** Kubernetes objects that the translator emits, their canonical form and their names. Pure functions. */

import { createHash } from "node:crypto";

/** Kubernetes object to apply: only the fields that this service owns. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    /** Absent for cluster-scoped kinds. */
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec?: object;
  /** Of a Secret. */
  type?: string;
  /** Of a ConfigMap, as text; of a Secret, as base64. */
  data?: Record<string, string>;
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * Returns the first characters of the SHA-256 of a text, as base32 in lower case, which may be part of any Kubernetes name.
 *
 * @param length at most 51 characters; 8 have 40 bits
 */
export function shortHash(text: string, length: number): string {
  const digest = createHash("sha256").update(text).digest();
  let [buffer, bitCount, result] = [0, 0, ""];
  for (const byte of digest) {
    buffer = (buffer << 8) | byte;
    bitCount += 8;
    while (bitCount >= 5 && result.length < length) {
      bitCount -= 5;
      result += BASE32[(buffer >> bitCount) & 31];
    }
    buffer &= 31;
  }
  return result;
}

/** Returns JSON with sorted keys and without undefined properties: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
      : each,
  );
}

/**
 * Names an object by its content, because its spec must not change while machines refer to it. Other content gives another name, and equal
 * content gives the same name.
 *
 * @param owner name of the object that refers to it, at most 32 characters
 * @returns at most 41 characters
 */
export const contentName = (owner: string, { apiVersion, kind, spec, data }: Omit<Manifest, "metadata">) =>
  `${owner}-${shortHash(canonicalJson({ apiVersion, kind, spec, data }), 8)}`;

/** Returns the namespace of an organisation's objects. @param organisationIdentity UUID */
export const namespaceOf = (organisationIdentity: string): string => `ame-org-${shortHash(organisationIdentity, 12)}`;

/**
 * Returns the name of a new cluster's objects. It begins with a letter, because a name of a Service must.
 *
 * @param slug slug of the cluster, which never changes
 * @returns at most 23 characters, so that names of machines derived from it stay below 63
 */
export function objectNameOf(slug: string, identity: string): string {
  const readable = slug.slice(0, 14).replace(/^[^a-z]+|-+$/g, "");
  return `${readable === "" ? "cluster" : readable}-${shortHash(identity, 8)}`;
}

/** Returns the name of the identity and the Secret of a cloud account. */
export const accountObjectName = (accountIdentity: string): string => `ame-acct-${shortHash(accountIdentity, 12)}`;

/** Encodes the values of a Secret. */
export const secretData = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString("base64")]));
