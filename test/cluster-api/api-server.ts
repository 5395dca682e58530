/**
 * Calls API servers of Kubernetes like kubectl, with the client certificate of a kubeconfig. It shares no code with `core/`, so a fault of
 * the project's own client cannot hide itself.
 */

import { type Agent, Agent as HttpsAgent, request } from "node:https";
import { parse } from "yaml";
import type { Json } from "#test/support/world.ts";

/** Reference to an object, or a whole object. */
export interface Reference {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

/** Object of the API. */
export interface KubernetesObject extends Reference {
  metadata: Reference["metadata"] & Json;
  [property: string]: Json;
}

/** Response, successful or not. `body` is text if it is not JSON. */
export interface KubernetesResponse {
  status: number;
  body: Json;
}

interface RequestOptions {
  body?: unknown;
  contentType?: string;
  query?: Record<string, string>;
}

interface Resource {
  name: string;
  namespaced: boolean;
  kind: string;
  verbs: string[];
}

const REQUEST_LIMIT_MS = 30_000;

/** Returns a reference to an object. @param namespace undefined for a kind without namespaces */
export const reference = (
  apiVersion: string,
  kind: string,
  namespace: string | undefined,
  name: string,
): Reference => ({
  apiVersion,
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
});

/** An API server. */
export class ApiServer {
  readonly url: string;
  readonly #agent: Agent;
  readonly #resources = new Map<string, readonly Resource[]>();

  /** @param kubeconfig YAML with one cluster and a user with a client certificate */
  constructor(kubeconfig: string) {
    const { clusters, users } = parse(kubeconfig);
    const decode = (base64: string) => Buffer.from(base64, "base64");
    this.url = clusters[0].cluster.server;
    this.#agent = new HttpsAgent({
      ca: decode(clusters[0].cluster["certificate-authority-data"]),
      cert: decode(users[0].user["client-certificate-data"]),
      key: decode(users[0].user["client-key-data"]),
    });
  }

  /**
   * Sends a request.
   *
   * @param path such as `/api/v1/nodes`
   * @throws Error if there is no response within 30 s
   */
  request(method: string, path: string, options: RequestOptions = {}): Promise<KubernetesResponse> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, value);
    const body = options.body === undefined ? "" : JSON.stringify(options.body);
    const headers = {
      Accept: "application/json",
      ...(body === "" ? {} : { "Content-Type": options.contentType ?? "application/json" }),
      "Content-Length": Buffer.byteLength(body),
    };
    const signal = AbortSignal.timeout(REQUEST_LIMIT_MS);
    return new Promise((resolve, reject) => {
      const sent = request(url, { agent: this.#agent, method, headers, signal }, async (response) => {
        try {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk);
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, body: parsed(text) });
        } catch (error) {
          reject(error);
        }
      });
      sent.once("error", reject);
      sent.end(body);
    });
  }

  /** Returns the resources of a version of an API. */
  async resources(apiVersion: string): Promise<readonly Resource[]> {
    const known = this.#resources.get(apiVersion);
    if (known) return known;
    const path = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const { resources } = successful(await this.request("GET", path), `discovery of ${apiVersion}`);
    this.#resources.set(apiVersion, resources);
    return resources;
  }

  /** Returns the path of the objects of a kind. @param namespace undefined for all namespaces */
  async collection(apiVersion: string, kind: string, namespace?: string): Promise<string> {
    const resources = await this.resources(apiVersion);
    const resource = resources.find((each) => each.kind === kind && !each.name.includes("/"));
    if (!resource) throw new Error(`${this.url} does not serve the kind ${kind} of ${apiVersion}`);
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : "";
    return `${root}${scope}/${resource.name}`;
  }

  /** Returns the path of an object. */
  async path({ apiVersion, kind, metadata }: Reference): Promise<string> {
    return `${await this.collection(apiVersion, kind, metadata.namespace)}/${metadata.name}`;
  }

  /** Returns an object, or undefined if there is none. @throws Error for another status than 200 and 404 */
  async get(of: Reference): Promise<KubernetesObject | undefined> {
    const response = await this.request("GET", await this.path(of));
    return response.status === 404 ? undefined : successful(response, `GET ${of.kind} ${of.metadata.name}`);
  }

  /** Returns all objects of a kind. @param namespace undefined for all namespaces @throws Error for another status than 200 */
  async list(apiVersion: string, kind: string, namespace?: string): Promise<KubernetesObject[]> {
    const response = await this.request("GET", await this.collection(apiVersion, kind, namespace));
    return successful(response, `list of ${kind}`).items;
  }

  /**
   * Sends an object by server-side apply with strict validation of fields, as `kubectl apply --server-side --validate=strict` does.
   *
   * @param query further parameters, such as `dryRun: "All"`
   * @returns the response, also if the object is refused
   */
  async apply(object: KubernetesObject, query: Record<string, string> = {}): Promise<KubernetesResponse> {
    return this.request("PATCH", await this.path(object), {
      body: object,
      contentType: "application/apply-patch+yaml",
      query: { fieldManager: "test", fieldValidation: "Strict", ...query },
    });
  }

  /** Applies objects in order. @throws Error if one is refused */
  async applyAll(objects: readonly KubernetesObject[]): Promise<void> {
    for (const object of objects) {
      successful(await this.apply(object), `apply of ${object.kind} ${object.metadata.name}`);
    }
  }

  /**
   * Sends a JSON merge patch.
   *
   * @param subresource such as `status`
   * @throws Error if it is refused
   */
  async patch(of: Reference, patch: Json, subresource?: string): Promise<KubernetesObject> {
    const path = [await this.path(of), ...(subresource === undefined ? [] : [subresource])].join("/");
    const response = await this.request("PATCH", path, { body: patch, contentType: "application/merge-patch+json" });
    return successful(response, `PATCH ${of.kind} ${of.metadata.name}`);
  }

  /** Deletes an object, which stays until its finalizers are removed. @throws Error for another status than 2xx and 404 */
  async delete(of: Reference): Promise<void> {
    const response = await this.request("DELETE", await this.path(of));
    if (response.status !== 404) successful(response, `DELETE ${of.kind} ${of.metadata.name}`);
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function successful({ status, body }: KubernetesResponse, action: string): Json {
  if (status >= 200 && status < 300) return body;
  throw new Error(`${action} failed with status ${status}: ${body?.message ?? JSON.stringify(body)}`);
}
