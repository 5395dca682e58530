/** Client for the API server of a management cluster or of a workload cluster. */

import * as v from "valibot";
import { reviewAccess } from "./access-review.ts";
import { type CallSettings, createCalls } from "./calls.ts";
import { discoverKinds } from "./discovery.ts";
import { isKubernetesError, KubernetesError, noAnswer } from "./errors.ts";
import type { CallOptions, KubernetesClient, Selection } from "./interface.ts";
import { parseKubeconfig } from "./kubeconfig.ts";
import { type KubernetesObject, type ObjectKind, type ObjectToWrite, refOf } from "./objects.ts";
import { pathOf } from "./resources.ts";
import type { Request } from "./transport.ts";

/** Settings of a client. */
export interface ClientOptions extends CallSettings {
  /** Directory of the kubeconfig, for relative paths in it; absent if it is not a file. */
  directory?: string;
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
  const calls = createCalls(parseKubeconfig(kubeconfig, options.directory), options);
  const { call } = calls;
  const { pageSize = 250 } = options;

  async function write(request: Request, manifest: ObjectToWrite, options: CallOptions): Promise<KubernetesObject> {
    const answer = await call(request, options, secretsOf(manifest));
    return toObject(manifest, answer, `${request.method} ${request.path}`);
  }

  async function page(kind: ObjectKind, { signal, namespace, labels }: Selection, next: string) {
    const query = {
      limit: String(pageSize),
      ...(labels === undefined ? {} : { labelSelector: selectorOf(labels) }),
      ...(next === "" ? {} : { continue: next }),
    };
    const path = withQuery(pathOf(kind, namespace), query);
    const answer = v.safeParse(List, await call({ method: "GET", path }, { signal }));
    if (!answer.success) throw noAnswer(`GET ${path}`, "the answer is not a list");
    const { items, metadata } = answer.output;
    return { items: items.map((item) => ({ ...item, ...kindOf(kind) })), next: metadata.continue ?? "" };
  }

  async function allPages(kind: ObjectKind, selection: Selection): Promise<KubernetesObject[]> {
    const objects: KubernetesObject[] = [];
    let next = "";
    for (let count = 0; count < MAX_PAGES; count += 1) {
      const { items, next: following } = await page(kind, selection, next);
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
    async list(kind, selection) {
      try {
        return await allPages(kind, selection);
      } catch (error) {
        // The server has forgotten the state of which the pages are parts.
        if (error instanceof KubernetesError && error.status === 410) return await allPages(kind, selection);
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
      await call({ method: "DELETE", path: pathOf(ref, ref.namespace, ref.name), body }, { signal });
    },
    async deleteCollection(kind, { namespace, labels, signal }) {
      if (Object.keys(labels).length === 0) throw new TypeError(`${kind.kind}: a deletion needs at least one label`);
      const path = withQuery(pathOf(kind, namespace), { labelSelector: selectorOf(labels) });
      await call({ method: "DELETE", path }, { signal });
    },
    async version(options) {
      const answer = v.safeParse(Version, await call({ method: "GET", path: "/version" }, options));
      if (!answer.success) throw noAnswer("GET /version", "the answer has no version");
      return answer.output.gitVersion;
    },
    discover: (group, options) => discoverKinds(group, (path) => call({ method: "GET", path }, options)),
    isAllowed: (access, options) =>
      reviewAccess(access, (path, body) =>
        call({ method: "POST", path, body: { type: "application/json", text: JSON.stringify(body) } }, options),
      ),
    close: () => calls.close(),
  };
}

const strict = (dryRun: boolean) => ({ fieldValidation: "Strict", ...(dryRun ? { dryRun: "All" } : {}) });

const kindOf = ({ apiVersion, kind }: ObjectKind): ObjectKind => ({ apiVersion, kind });

const withQuery = (path: string, query: Readonly<Record<string, string>>) => `${path}?${new URLSearchParams(query)}`;

const selectorOf = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");

function toObject(kind: ObjectKind, answer: Record<string, unknown>, call: string): KubernetesObject {
  const parsed = v.safeParse(Item, answer);
  if (!parsed.success) throw noAnswer(call, "the answer is not an object");
  return { ...parsed.output, ...kindOf(kind) };
}

/** Lists the values of a Secret, encoded and decoded, which no error may contain. */
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
