/** Fake API server of a management cluster on loopback, over TLS, with fake API servers of its workload clusters. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { stringify } from "yaml";
import { type Authority, type Certificate, createAuthority } from "./kubernetes/certificates.ts";
import { type Controllers, createControllers } from "./kubernetes/controllers/index.ts";
import { type Call, type Fault, responseOfFault } from "./kubernetes/faults.ts";
import { type ApiResponse, answerRequest, type ResourceAttributes } from "./kubernetes/requests.ts";
import { StatusError } from "./kubernetes/status.ts";
import { Store, type StoreOptions } from "./kubernetes/store.ts";

export type { Call, Fault } from "./kubernetes/faults.ts";

/** Settings of the test server. */
export interface KubernetesServerOptions extends Partial<StoreOptions> {
  /** Kinds that are not installed, and versions that are not served, such as `Machine/v1beta2`. */
  missing?: Iterable<string>;
}

/** User's section of a kubeconfig. */
export type KubeconfigUser = Record<string, unknown>;

/** Test server. */
export interface KubernetesServer {
  /** Such as `https://127.0.0.1:40000`. */
  readonly url: string;
  readonly authority: Authority;
  /** Accepted client certificate. */
  readonly client: Certificate;
  /** Accepted tokens; at first only `token`. */
  readonly tokens: Set<string>;
  readonly store: Store;
  /** Controllers of Cluster API, which act only when a test lets them. */
  readonly controllers: Controllers;
  /** Requests since the start or the last reset, in order, those to workload clusters included. */
  readonly calls: Call[];
  /** Called for every request. */
  fault: (call: Call) => Fault | undefined;
  /** Called for every request; returns whether the user may not make it. */
  forbids: (call: Call) => boolean;
  /** Returns whether a SelfSubjectAccessReview denies a permission. `forbids` refuses the calls themselves. */
  denies: (attributes: ResourceAttributes) => boolean;
  /** As the option; may change at any time. */
  readonly missing: Set<string>;
  /** Maximum number of concurrent requests since the last reset. */
  readonly mostAtOnce: number;
  reset(): void;
  /** Returns a kubeconfig. @param user default: the token `token` */
  kubeconfig(user?: KubeconfigUser, cluster?: Record<string, unknown>): string;
  /** Returns the API server of a workload cluster, which has its own objects. */
  workload(namespace: string, cluster: string): { store: Store; kubeconfig: string };
  /** Ends all connections and refuses new ones. */
  refuse(): Promise<void>;
  /** Accepts connections again, on the same port. */
  accept(): Promise<void>;
  stop(): Promise<void>;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Path below which a workload cluster is served. */
const workloadPath = (namespace: string, cluster: string): string => `/workloads/${namespace}/${cluster}`;

/** Starts a test server. */
export async function startKubernetesServer(options: KubernetesServerOptions = {}): Promise<KubernetesServer> {
  const authority = await createAuthority();
  const [own, client] = await Promise.all([authority.issue("server", "server"), authority.issue("client", "client")]);
  const settings = { clock: () => new Date(), ...options };
  const missing = new Set(options.missing ?? []);
  const store = new Store(settings);
  const workloads = new Map<string, Store>();
  const connections = new Map<Socket, number>();
  let [opened, running, most, port] = [0, 0, 0, 0];

  const server: Server = createServer(
    { key: own.key, cert: own.certificate, ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
    (request, response) => void handle(request, response),
  );
  server.on("secureConnection", (socket) => {
    connections.set(socket, opened);
    opened += 1;
    socket.on("close", () => connections.delete(socket));
    // A client that gives up is no error of the server.
    socket.on("error", () => {});
  });

  const result: KubernetesServer = {
    get url() {
      return `https://127.0.0.1:${port}`;
    },
    authority,
    client,
    tokens: new Set(["token"]),
    store,
    controllers: createControllers(
      store,
      () => ({
        certificate: authority.certificate,
        key: authority.key,
        kubeconfig: (namespace, cluster) => result.workload(namespace, cluster).kubeconfig,
        endpoint: { host: "127.0.0.1", port },
      }),
      (namespace, cluster) => result.workload(namespace, cluster).store,
    ),
    calls: [],
    fault: () => undefined,
    forbids: () => false,
    denies: () => false,
    missing,
    get mostAtOnce() {
      return most;
    },
    reset() {
      result.calls.length = 0;
      most = running;
    },
    kubeconfig: (user = { token: "token" }, cluster = {}) => kubeconfigOf(result.url, user, cluster),
    workload(namespace, cluster) {
      const path = workloadPath(namespace, cluster);
      return { store: workloadStore(path), kubeconfig: kubeconfigOf(`${result.url}${path}`, { token: "token" }, {}) };
    },
    async refuse() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      for (const socket of connections.keys()) socket.destroy();
      await closed;
    },
    accept: () => listen(),
    async stop() {
      if (server.listening) await result.refuse();
    },
  };

  function kubeconfigOf(url: string, user: KubeconfigUser, cluster: Record<string, unknown>): string {
    return stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      clusters: [
        {
          name: "test",
          cluster: { server: url, "certificate-authority-data": base64(authority.certificate), ...cluster },
        },
      ],
      users: [{ name: "test", user }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    });
  }

  function workloadStore(path: string): Store {
    const existing = workloads.get(path);
    if (existing !== undefined) return existing;
    const created = new Store(settings);
    for (const name of ["default", "kube-system", "kube-public"]) addNamespace(created, name);
    workloads.set(path, created);
    return created;
  }

  async function listen(): Promise<void> {
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    port = (server.address() as AddressInfo).port;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    running += 1;
    most = Math.max(most, running);
    let hasEnded = false;
    const end = () => {
      if (!hasEnded) running -= 1;
      hasEnded = true;
    };
    // The client may receive the end of a response, and begin the next call, before its "close" event.
    response.once("prefinish", end).once("close", end);
    const body = await readBody(request);
    if (body === undefined) return;
    const url = new URL(request.url ?? "/", result.url);
    const call: Call = {
      index: result.calls.length,
      method: request.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      body,
      connection: connections.get(request.socket) ?? -1,
      certificateName: nameOf(request.socket as TLSSocket),
      status: undefined,
    };
    result.calls.push(call);
    await answer(call, request, response, result.fault(call));
  }

  async function answer(call: Call, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined) {
    if (fault?.type === "before") return void request.socket.destroy();
    if (fault?.type === "late") await ("until" in fault ? fault.until : sleep(fault.ms));
    const injected = responseOfFault(fault);
    const { status, headers, body } = injected ?? answerOf(call, request);
    if (fault?.type === "after") return void request.socket.destroy();
    if (fault?.type === "slow") await sleep(fault.ms);
    call.status = status;
    const text = fault?.type === "broken" ? "<html>" : body;
    response.writeHead(status, {
      "content-type": "application/json",
      ...headers,
      "content-length": Buffer.byteLength(text),
    });
    if (fault?.type !== "half") return void response.end(text);
    response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
  }

  function answerOf(
    call: Call,
    request: IncomingMessage,
  ): { status: number; headers: Record<string, string>; body: string } {
    const { status, body } = authenticated(request) ?? refused(call) ?? dispatch(call, request);
    return { status, headers: {}, body: typeof body === "string" ? body : JSON.stringify(body) };
  }

  /** Returns the refusal of unknown credentials. */
  function authenticated({ headers, socket }: IncomingMessage): ApiResponse | undefined {
    if ((socket as TLSSocket).authorized || result.tokens.has(headers.authorization?.replace(/^Bearer /, "") ?? ""))
      return undefined;
    return { status: 401, body: new StatusError(401, "Unauthorized", "Unauthorized").body };
  }

  function refused(call: Call): ApiResponse | undefined {
    if (!result.forbids(call)) return undefined;
    const text = `User "test" cannot ${call.method.toLowerCase()} ${call.path}`;
    return { status: 403, body: new StatusError(403, "Forbidden", text, {}).body };
  }

  function dispatch({ method, path, query, body }: Call, { headers }: IncomingMessage): ApiResponse {
    const [, prefix, rest] = /^(\/workloads\/[^/]+\/[^/]+)(\/.*)$/.exec(path) ?? [];
    const request = { method, query, body, mediaType: headers["content-type"] ?? "", path: rest ?? path };
    return answerRequest(prefix === undefined ? store : workloadStore(prefix), request, {
      missing,
      denies: (attributes) => result.denies(attributes),
    });
  }

  addNamespace(store, "kube-system");
  await listen();
  return result;
}

/** Creates a namespace, as an API server does at its first start. */
function addNamespace(store: Store, name: string): void {
  store.apply(
    { group: "", version: "v1", kind: "Namespace", plural: "namespaces", isNamespaced: false },
    { namespace: undefined, name },
    { apiVersion: "v1", kind: "Namespace", metadata: { name } },
    { manager: "kube-apiserver", force: true, dryRun: false },
  );
}

function nameOf(socket: TLSSocket): string | undefined {
  const name = socket.getPeerX509Certificate()?.subject;
  return name?.replace(/^CN=/, "");
}

/** Reads a body. @returns undefined if the client gave up */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } catch {
    return undefined;
  }
}
