/** Answers requests of the Kubernetes API from a store. */

import { parse as parseYaml } from "yaml";
import type { KubernetesObject } from "#core/kubernetes/objects.ts";
import type { Resource } from "#core/kubernetes/resources.ts";
import { isMap, type Json } from "./json.ts";
import { servedResources, type Target, targetOf } from "./kinds.ts";
import type { Deletion } from "./preconditions.ts";
import { parseSelector } from "./selector.ts";
import { badRequest, notFound, StatusError } from "./status.ts";
import { nameOf, type Store, type Stored } from "./store.ts";

/** Request as received. */
export interface ApiRequest {
  method: string;
  /** Path without its query. */
  path: string;
  query: URLSearchParams;
  mediaType: string;
  body: string;
}

/** Answer: a JSON body, or text. */
export interface ApiResponse {
  status: number;
  body: object | string;
}

/** Settings of the API. */
export interface ApiOptions {
  /** Kinds that are not installed, and versions that are not served, such as `Machine/v1beta2`. */
  missing: ReadonlySet<string>;
  /** Returns whether a SelfSubjectAccessReview denies a permission. */
  denies: (attributes: ResourceAttributes) => boolean;
}

/** Calls that a user asks about. A namespace that is absent stands for all namespaces. */
export interface ResourceAttributes {
  verb: string;
  group: string;
  resource: string;
  namespace?: string;
}

const REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/** Answers a SelfSubjectAccessReview, which is never stored and has no name. */
function review({ method, body }: ApiRequest, { denies }: ApiOptions): ApiResponse {
  const given = JSON.parse(body) as { apiVersion?: string; kind?: string; spec?: { resourceAttributes?: object } };
  const { apiVersion, kind, spec } = given;
  if (method !== "POST" || apiVersion !== "authorization.k8s.io/v1" || kind !== "SelfSubjectAccessReview") {
    throw badRequest("the object provided is unrecognized (must be of type SelfSubjectAccessReview)");
  }
  const allowed = !denies((spec?.resourceAttributes ?? {}) as ResourceAttributes);
  return {
    status: 201,
    body: {
      apiVersion,
      kind,
      metadata: {},
      spec,
      status: { allowed, ...(allowed ? { reason: "RBAC: allowed" } : {}) },
    },
  };
}

const PAGE_NOT_FOUND: ApiResponse = { status: 404, body: "404 page not found\n" };

/** Answers a request. No request fails with an exception. */
export function answerRequest(store: Store, request: ApiRequest, options: ApiOptions): ApiResponse {
  try {
    return route(store, request, options);
  } catch (error) {
    if (error instanceof StatusError) return { status: error.status, body: error.body };
    throw error;
  }
}

function route(store: Store, request: ApiRequest, options: ApiOptions): ApiResponse {
  const { path, method } = request;
  const isMissing = ({ kind, version }: Resource) =>
    options.missing.has(kind) || options.missing.has(`${kind}/${version}`);
  if (path === "/version")
    return { status: 200, body: { major: "1", minor: "34", gitVersion: "v1.34.4", platform: "test/test" } };
  if (path === "/readyz" || path === "/livez") return { status: 200, body: "ok" };
  if (path === REVIEWS) return review(request, options);
  const served = servedResources.filter((resource) => !isMissing(resource));
  const discovered = discover(path, served);
  if (discovered !== undefined) return discovered;
  const target = targetOf(path);
  if (target === undefined || isMissing(target.resource)) {
    if (path.startsWith("/api/v1/")) {
      throw new StatusError(404, "NotFound", "the server could not find the requested resource", {});
    }
    return PAGE_NOT_FOUND;
  }
  if (request.query.has("watch")) throw badRequest("this test server has no watches");
  if (target.name === undefined) return onCollection(store, request, target);
  if (method === "GET") return get(store, target, target.name);
  if (method === "PATCH") return patch(store, request, target, target.name);
  if (method === "DELETE") return remove(store, request, target, target.name);
  throw new StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});
}

/** Answers discovery of groups and their kinds. */
function discover(path: string, served: readonly Resource[]): ApiResponse | undefined {
  const [, group = "", version] =
    /^\/apis\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? (path === "/api/v1" ? ["", "", "v1"] : []);
  if (group === "" && version === undefined) return undefined;
  const inGroup = served.filter((resource) => resource.group === group);
  if (version === undefined) {
    const versions = [...new Set(inGroup.map((each) => each.version))].map((each) => ({
      groupVersion: `${group}/${each}`,
      version: each,
    }));
    if (versions.length === 0) return PAGE_NOT_FOUND;
    return {
      status: 200,
      body: { kind: "APIGroup", apiVersion: "v1", name: group, versions, preferredVersion: versions[0] },
    };
  }
  const resources = inGroup
    .filter((resource) => resource.version === version)
    .flatMap(({ plural, kind, isNamespaced }) => [
      {
        name: plural,
        singularName: kind.toLowerCase(),
        namespaced: isNamespaced,
        kind,
        verbs: ["get", "list", "patch"],
      },
      { name: `${plural}/status`, singularName: "", namespaced: isNamespaced, kind, verbs: ["get", "patch", "update"] },
    ]);
  if (resources.length === 0) return PAGE_NOT_FOUND;
  const groupVersion = group === "" ? version : `${group}/${version}`;
  return { status: 200, body: { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources } };
}

const versionOf = ({ group, version }: Resource): string => (group === "" ? version : `${group}/${version}`);

function get(store: Store, { resource, namespace }: Target, name: string): ApiResponse {
  const found = store.find(resource, { namespace, name });
  if (found === undefined) throw notFound(resource, name);
  return { status: 200, body: store.render(found, versionOf(resource)) };
}

function readObject({ resource, namespace }: Target, body: string, name?: string): KubernetesObject {
  let object: unknown;
  try {
    object = body.startsWith("{") ? JSON.parse(body) : parseYaml(body);
  } catch {
    throw badRequest(
      "error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected node content",
    );
  }
  if (!isMap(object) || !isMap(object.metadata)) throw badRequest("Object 'Kind' is missing");
  const { apiVersion, kind, metadata } = object as unknown as KubernetesObject;
  if (apiVersion !== versionOf(resource) || kind !== resource.kind) {
    throw badRequest(`invalid object type: /${String(apiVersion)}, Kind=${String(kind)}`);
  }
  if (name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (metadata.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
  return {
    ...object,
    metadata: { ...metadata, ...(namespace === undefined ? {} : { namespace }) },
  } as KubernetesObject;
}

function onCollection(store: Store, { method, query, body }: ApiRequest, target: Target): ApiResponse {
  const { resource, namespace } = target;
  if (method === "GET") return list(store, query, target);
  if (method === "DELETE") {
    const selected = select(store, query, target);
    for (const stored of selected) store.delete(resource, nameOf(stored), {}, query.get("dryRun") === "All");
    return { status: 200, body: listOf(store, resource, selected, "") };
  }
  if (method !== "POST" || (resource.isNamespaced && namespace === undefined)) {
    throw new StatusError(
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
      {},
    );
  }
  const object = readObject(target, body);
  const created = store.create(resource, object, query.get("fieldManager") ?? "unknown", query.get("dryRun") === "All");
  return { status: 201, body: store.render(created, versionOf(resource)) };
}

function select(store: Store, query: URLSearchParams, { resource, namespace }: Target): Stored[] {
  const matches = parseSelector(query.get("labelSelector") ?? "");
  return store.list(resource, namespace).filter(({ object }) => matches(object.metadata.labels ?? {}));
}

/** Answers a page. The token of the next one is the key after which it begins. */
function list(store: Store, query: URLSearchParams, target: Target): ApiResponse {
  const keyOf = ({ object: { metadata } }: Stored) => `${metadata.namespace ?? ""}/${metadata.name}`;
  const after = Buffer.from(query.get("continue") ?? "", "base64url").toString();
  if (after !== "" && !after.includes("/")) {
    throw badRequest("invalid continue token: continue key is not valid: invalid character");
  }
  const selected = select(store, query, target).filter((stored) => after === "" || keyOf(stored) > after);
  const limit = Number(query.get("limit") ?? 0) || selected.length;
  const page = selected.slice(0, limit);
  const last = page.at(-1);
  const next = selected.length > limit && last !== undefined ? Buffer.from(keyOf(last)).toString("base64url") : "";
  return { status: 200, body: listOf(store, target.resource, page, next) };
}

function listOf(store: Store, resource: Resource, items: readonly Stored[], next: string): object {
  const rendered = items.map((stored) => store.render(stored, versionOf(resource)));
  return {
    kind: `${resource.kind}List`,
    apiVersion: versionOf(resource),
    metadata: { resourceVersion: store.version, continue: next },
    // Items of Kubernetes' own kinds have no version and kind.
    items: resource.group === "" ? rendered.map(({ apiVersion: _, kind: __, ...rest }) => rest) : rendered,
  };
}

function patch(store: Store, { query, mediaType, body }: ApiRequest, target: Target, name: string): ApiResponse {
  const { resource, namespace, subresource } = target;
  const dryRun = query.get("dryRun") === "All";
  const manager = query.get("fieldManager") ?? "";
  if (mediaType === "application/merge-patch+json") {
    const change = (object: KubernetesObject) => void mergePatch(object, JSON.parse(body) as Json);
    const updated = store.update(resource, { namespace, name }, change, {
      manager: manager || "unknown",
      subresource: subresource === "status" ? "status" : undefined,
      dryRun,
    });
    return { status: 200, body: store.render(updated, versionOf(resource)) };
  }
  if (mediaType !== "application/apply-patch+yaml") {
    throw new StatusError(415, "UnsupportedMediaType", "the body of the request was in an unknown format", {});
  }
  if (manager === "") {
    const problem = "fieldManager: Required value: is required for apply patch";
    throw new StatusError(422, "Invalid", `PatchOptions.meta.k8s.io "" is invalid: ${problem}`);
  }
  const config = readObject(target, body, name);
  const { result, isNew } = store.apply(resource, { namespace, name }, config, {
    manager,
    force: query.get("force") === "true",
    dryRun,
  });
  return { status: isNew ? 201 : 200, body: store.render(result, versionOf(resource)) };
}

/** Merges a JSON merge patch (RFC 7396) into an object. */
function mergePatch(object: Json, change: Json): Json {
  for (const [name, value] of Object.entries(change)) {
    if (value === null) delete object[name];
    else if (isMap(value)) object[name] = mergePatch(isMap(object[name]) ? object[name] : {}, value);
    else object[name] = value;
  }
  return object;
}

function remove(store: Store, { query, body }: ApiRequest, { resource, namespace }: Target, name: string): ApiResponse {
  const options = (body === "" ? {} : JSON.parse(body)) as { preconditions?: Deletion; propagationPolicy?: string };
  const { preconditions = {}, propagationPolicy } = options;
  const before = store.find(resource, { namespace, name });
  const deletion = { ...preconditions, ...(propagationPolicy === undefined ? {} : { propagationPolicy }) };
  const left = store.delete(resource, { namespace, name }, deletion, query.get("dryRun") === "All");
  if (left !== undefined) return { status: 200, body: store.render(left, versionOf(resource)) };
  const { group, plural } = resource;
  const details = { name, ...(group === "" ? {} : { group }), kind: plural, uid: before?.object.metadata.uid };
  return { status: 200, body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details } };
}
