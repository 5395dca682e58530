/** Client for the API server of a management cluster or of a workload cluster. */

import * as v from "valibot";
import { reviewAccess } from "./access-review.ts";
import { type CallSettings, createCalls } from "./calls.ts";
import { discoverKinds } from "./discovery.ts";
import { isKubernetesError, KubernetesError, unavailableError } from "./errors.ts";
import type { CallOptions, KubernetesClient, ListOptions } from "./interface.ts";
import { type KubeconfigOptions, parseKubeconfig } from "./kubeconfig.ts";
import { type KubernetesObject, type ObjectKind, type ObjectToWrite, refOf } from "./objects.ts";
import { pathOf } from "./resources.ts";
import type { Request } from "./transport.ts";

/** Settings of a client. */
export interface ClientOptions extends CallSettings, KubeconfigOptions {
  /** Objects in a page of a list. Default 250. */
  pageSize?: number;
}

/** Field manager of every write. */
export const FIELD_MANAGER = "ame-control-plane";

/** Maximum number of pages of a list. */
const MAX_PAGES = 1_000;

const Item = v.looseObject({ metadata: v.looseObject({ name: v.string() }) });
const List = v.object({
  items: v.array(Item),
  metadata: v.optional(v.object({ continue: v.optional(v.string(), "") }), {}),
});
const Version = v.object({ gitVersion: v.string() });

/**
 * Creates a client. It connects at the first call.
 *
 * @param kubeconfig text of a kubeconfig
 * @throws AppError invalid with every problem of the kubeconfig
 */
export function createKubernetesClient(kubeconfig: string, options: ClientOptions): KubernetesClient {
  const calls = createCalls(parseKubeconfig(kubeconfig, options), options);
  const { call } = calls;
  const { pageSize = 250 } = options;

  async function write(request: Request, manifest: ObjectToWrite, options: CallOptions): Promise<KubernetesObject> {
    const response = await call({ ...request, written: writtenOf(manifest) }, options, secretsOf(manifest));
    return toObject(manifest, response, `${request.method} ${request.path}`);
  }

  async function page(kind: ObjectKind, { signal, namespace, labels }: ListOptions, next: string) {
    const query = {
      limit: String(pageSize),
      ...(labels === undefined ? {} : { labelSelector: selectorOf(labels) }),
      ...(next === "" ? {} : { continue: next }),
    };
    const path = withQuery(pathOf(kind, namespace), query);
    const response = v.safeParse(List, await call({ method: "GET", path }, { signal }));
    if (!response.success) throw unavailableError(`GET ${path}`, "the response is not a list");
    const { items, metadata } = response.output;
    return { items: items.map((item) => ({ ...item, ...kindOf(kind) })), next: metadata.continue ?? "" };
  }

  async function allPages(kind: ObjectKind, options: ListOptions): Promise<KubernetesObject[]> {
    const objects: KubernetesObject[] = [];
    let next = "";
    for (let count = 0; count < MAX_PAGES; count += 1) {
      const { items, next: following } = await page(kind, options, next);
      objects.push(...items);
      if (following === "") return objects;
      next = following;
    }
    throw new KubernetesError("refused", `${kind.kind}: the list has more than ${MAX_PAGES} pages`);
  }

  return {
    async get(ref, options) {
      const path = pathOf(ref, ref.namespace, ref.name);
      try {
        return toObject(ref, await call({ method: "GET", path }, options), `GET ${path}`);
      } catch (error) {
        if (isKubernetesError(error, "not-found")) return undefined;
        throw error;
      }
    },
    async list(kind, options) {
      try {
        return await allPages(kind, options);
      } catch (error) {
        // The continue token has expired: the server no longer has the version of which the pages are parts.
        if (error instanceof KubernetesError && error.status === 410) return await allPages(kind, options);
        throw error;
      }
    },
    async apply(manifest, { dryRun = false, fieldManager = FIELD_MANAGER, force = true, signal }) {
      const { name, namespace } = refOf(manifest);
      const path = withQuery(pathOf(manifest, namespace, name), {
        fieldManager,
        force: String(force),
        ...strict(dryRun),
      });
      // JSON is YAML.
      const body = { type: "application/apply-patch+yaml", text: JSON.stringify(manifest) };
      return await write({ method: "PATCH", path, body }, manifest, { signal });
    },
    async create(manifest, { dryRun = false, signal }) {
      const query = { fieldManager: FIELD_MANAGER, ...strict(dryRun) };
      const path = withQuery(pathOf(manifest, manifest.metadata.namespace), query);
      const body = { type: "application/json", text: JSON.stringify(manifest) };
      return await write({ method: "POST", path, body }, manifest, { signal });
    },
    async delete(ref, { preconditions, propagationPolicy, signal }) {
      const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions, propagationPolicy };
      const body = { type: "application/json", text: JSON.stringify(options) };
      const path = pathOf(ref, ref.namespace, ref.name);
      await call({ method: "DELETE", path, body, written: writtenOf(ref) }, { signal });
    },
    async deleteCollection(kind, { namespace, labels, signal }) {
      if (Object.keys(labels).length === 0)
        throw new TypeError(`${kind.kind}: deleteCollection needs at least one label`);
      const path = withQuery(pathOf(kind, namespace), { labelSelector: selectorOf(labels) });
      await call({ method: "DELETE", path, written: writtenOf(kind) }, { signal });
    },
    async version(options) {
      const response = v.safeParse(Version, await call({ method: "GET", path: "/version" }, options));
      if (!response.success) throw unavailableError("GET /version", "the response has no version");
      return response.output.gitVersion;
    },
    discover: (group, options) => discoverKinds(group, (path) => call({ method: "GET", path }, options)),
    isAllowed: (attributes, options) =>
      reviewAccess(attributes, (path, body) =>
        call({ method: "POST", path, body: { type: "application/json", text: JSON.stringify(body) } }, options),
      ),
    close: () => calls.close(),
  };
}

const strict = (dryRun: boolean) => ({ fieldValidation: "Strict", ...(dryRun ? { dryRun: "All" } : {}) });

const kindOf = ({ apiVersion, kind }: ObjectKind): ObjectKind => ({ apiVersion, kind });

const writtenOf = ({ apiVersion, kind }: ObjectKind): string => `${apiVersion} ${kind}`;

const withQuery = (path: string, query: Readonly<Record<string, string>>) => `${path}?${new URLSearchParams(query)}`;

const selectorOf = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

function toObject(kind: ObjectKind, response: Record<string, unknown>, call: string): KubernetesObject {
  const parsed = v.safeParse(Item, response);
  if (!parsed.success) throw unavailableError(call, "the response is not an object");
  return { ...parsed.output, ...kindOf(kind) };
}

/** Lists the values of a Secret, encoded and decoded. No error may contain them. */
function secretsOf(manifest: ObjectToWrite): string[] {
  if (manifest.kind !== "Secret") return [];
  const { data, stringData } = manifest as { data?: unknown; stringData?: unknown };
  return [...leavesOf(data), ...leavesOf(stringData)].flatMap((value) => [
    value,
    Buffer.from(value, "base64").toString(),
  ]);
}

function leavesOf(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leavesOf);
  return value === undefined || value === null ? [] : [String(value)];
}
