/** Requests to a real API server whose responses are recorded. Each line is one request; `{NS}` is a namespace of the run. */

/** One request. */
export interface Step {
  title: string;
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  /** JSON; `{uid:title}` is the uid of the response to another step. */
  body?: object;
  mediaType?: string;
  /** True to wait until the garbage collector or the namespace controller has acted. */
  settles?: boolean;
}

const SECRETS = "/api/v1/namespaces/{NS}/secrets";
const GROUP = "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/{NS}";
const OTHER_UID = "418c433f-ac2b-4431-880f-ba325f253e80";

const get = (title: string, path: string, settles = false): Step => ({ title, method: "GET", path, settles });
const apply = (
  title: string,
  path: string,
  body: object,
  query = "",
  manager = "ame-control-plane",
  force = true,
): Step => ({
  title,
  method: "PATCH",
  path: `${path}?fieldManager=${manager}&force=${force}&fieldValidation=Strict${query}`,
  body,
  mediaType: "application/apply-patch+yaml",
});
const update = (title: string, path: string, body: object): Step => ({
  title,
  method: "PATCH",
  path: `${path}?fieldManager=other`,
  body,
  mediaType: "application/merge-patch+json",
});
const remove = (title: string, path: string, body: object = {}): Step => ({
  title,
  method: "DELETE",
  path,
  body: { apiVersion: "v1", kind: "DeleteOptions", ...body },
});

const secret = (name: string, rest: object = {}, metadata: object = {}) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "{NS}", ...metadata },
  ...rest,
});
const cluster = (spec: object, metadata: object = {}) => ({
  apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
  kind: "DevCluster",
  metadata: { name: "x", namespace: "{NS}", ...metadata },
  spec,
});
const template = (instanceType: string) => ({
  apiVersion: "infrastructure.cluster.x-k8s.io/v1beta2",
  kind: "AWSMachineTemplate",
  metadata: { name: "t", namespace: "{NS}" },
  spec: { template: { spec: { instanceType, ami: { id: "ami-1" }, hostAffinity: "default" } } },
});

const backend = { backend: { inMemory: {} } };
const endpoint = (port: number) => ({ ...backend, controlPlaneEndpoint: { host: "127.0.0.1", port } });
const owner = (name: string, title: string) => ({
  ownerReferences: [{ apiVersion: "v1", kind: "Secret", name, uid: `{uid:${title}}`, blockOwnerDeletion: true }],
});

/** Requests in their order. */
export const steps: readonly Step[] = [
  apply("namespace", "/api/v1/namespaces/{NS}", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "{NS}", labels: { a: "b" } },
  }),
  apply("namespace unchanged", "/api/v1/namespaces/{NS}", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "{NS}", labels: { a: "b" } },
  }),
  get("missing object", "/apis/cluster.x-k8s.io/v1beta2/namespaces/{NS}/clusters/x"),
  get("object in a missing namespace", "/apis/cluster.x-k8s.io/v1beta2/namespaces/nope/clusters/x"),
  get("list of a missing namespace", "/apis/cluster.x-k8s.io/v1beta2/namespaces/nope/clusters"),
  get("unknown kind", "/apis/cluster.x-k8s.io/v1beta2/namespaces/{NS}/clusterz/x"),
  get("unknown version", "/apis/cluster.x-k8s.io/v1beta9/namespaces/{NS}/clusters/x"),
  get("unknown kind of Kubernetes", "/api/v1/namespaces/{NS}/foos/x"),
  get("unknown group", "/apis/none.x-k8s.io"),

  apply(
    "first manager",
    `${SECRETS}/a`,
    secret("a", { data: { x: "MQ==", y: "MQ==" } }, { labels: { l: "1", k: "2" } }),
    "",
    "one",
    false,
  ),
  apply("one conflict", `${SECRETS}/a`, secret("a", { data: { x: "Mg==" } }), "", "two", false),
  apply("second manager with the same value", `${SECRETS}/a`, secret("a", { data: { x: "MQ==" } }), "", "two", false),
  apply(
    "first manager drops what the second one keeps",
    `${SECRETS}/a`,
    secret("a", {}, { labels: { l: "1" } }),
    "",
    "one",
    false,
  ),
  apply("second manager by force", `${SECRETS}/a`, secret("a", { data: { x: "Mw==", y: "NQ==" } }), "", "two"),
  apply("first manager takes a field", `${SECRETS}/a`, secret("a", { data: { x: "OQ==" } }), "", "one"),
  apply("dry run", `${SECRETS}/a`, secret("a", { data: { z: "NQ==" } }), "&dryRun=All", "one"),
  get("after the dry run", `${SECRETS}/a`),
  apply("first manager drops everything", `${SECRETS}/a`, secret("a"), "", "one"),
  apply("second manager drops everything", `${SECRETS}/a`, secret("a"), "", "two"),

  apply("immutable type", `${SECRETS}/a`, secret("a", { type: "other" })),
  apply("value that is not base64", `${SECRETS}/b`, secret("b", { data: { a: "***" } })),
  apply("value of a wrong type", `${SECRETS}/b`, secret("b", { data: { a: 5 } })),
  apply("unknown field", `${SECRETS}/b`, secret("b", { unknown: {} })),
  apply("another name than in the path", `${SECRETS}/b`, secret("c")),
  apply("another kind than in the path", `${SECRETS}/b`, { ...secret("b"), kind: "ConfigMap" }),
  apply("missing namespace", "/api/v1/namespaces/nope/secrets/b", {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "b" },
  }),
  apply("managedFields", `${SECRETS}/b`, secret("b", {}, { managedFields: [{ manager: "x" }] })),
  apply("resourceVersion of a missing object", `${SECRETS}/r`, secret("r", {}, { resourceVersion: "1" })),
  apply("old resourceVersion", `${SECRETS}/r`, secret("r", {}, { resourceVersion: "1" })),
  apply("uid of a missing object", `${SECRETS}/u`, secret("u", {}, { uid: OTHER_UID })),
  apply("uid of another object", `${SECRETS}/r`, secret("r", {}, { uid: OTHER_UID })),

  {
    title: "create",
    method: "POST",
    path: `${SECRETS}?fieldManager=c`,
    body: secret("c", { data: { a: "YQ==" }, type: "x/y" }),
  },
  { title: "create again", method: "POST", path: `${SECRETS}?fieldManager=c`, body: secret("c") },
  {
    title: "create with a resourceVersion",
    method: "POST",
    path: `${SECRETS}?fieldManager=c`,
    body: secret("c2", {}, { resourceVersion: "1" }),
  },
  apply(
    "conflict with an update",
    `${SECRETS}/c`,
    secret("c", { data: { a: "Yg==" } }),
    "",
    "ame-control-plane",
    false,
  ),
  apply("apply over an update", `${SECRETS}/c`, secret("c", { data: { a: "Yg==" }, type: "x/y" })),
  update("update", `${SECRETS}/c`, { data: { b: "Yg==" }, metadata: { labels: { q: "1" } } }),
  update("update of an applied field", `${SECRETS}/c`, { data: { a: "YQ==" } }),
  apply("drift corrected", `${SECRETS}/c`, secret("c", { data: { a: "Yg==" }, type: "x/y" })),

  apply("custom object", `${GROUP}/devclusters/x`, cluster(backend, { annotations: { a: "b", c: "d" } })),
  apply("custom object unchanged", `${GROUP}/devclusters/x`, cluster(backend, { annotations: { a: "b", c: "d" } })),
  apply(
    "change of metadata",
    `${GROUP}/devclusters/x`,
    cluster(backend, { annotations: { a: "b" }, labels: { z: "1" } }),
  ),
  apply("change of the spec", `${GROUP}/devclusters/x`, cluster(endpoint(1), { annotations: { a: "b" } })),
  apply("part of the spec removed", `${GROUP}/devclusters/x`, cluster(backend, { annotations: { a: "b" } })),
  apply("unknown field of a custom object", `${GROUP}/devclusters/x`, cluster({ ...backend, unknown: 1 })),
  apply("unknown metadata", `${GROUP}/devclusters/x`, cluster(backend, { unknown: 1 })),
  apply("label that is a number", `${GROUP}/devclusters/x`, cluster(backend, { labels: { a: 1 } })),
  apply("status in an apply", `${GROUP}/devclusters/x`, {
    ...cluster(backend, { annotations: { a: "b" } }),
    status: { initialization: { provisioned: true } },
  }),
  update("status", `${GROUP}/devclusters/x/status`, { status: { initialization: { provisioned: true } } }),
  update("status in an update of the object", `${GROUP}/devclusters/x`, {
    status: { initialization: { provisioned: false } },
  }),
  apply(
    "finalizer",
    `${GROUP}/devclusters/x`,
    cluster(backend, { annotations: { a: "b" }, finalizers: ["example.com/f"] }),
  ),
  update("finalizer of another manager", `${GROUP}/devclusters/x`, {
    metadata: { finalizers: ["example.com/f", "example.com/g"] },
  }),
  apply(
    "finalizer again",
    `${GROUP}/devclusters/x`,
    cluster(backend, { annotations: { a: "b" }, finalizers: ["example.com/f"] }),
  ),
  remove("delete with an old resourceVersion", `${GROUP}/devclusters/x`, { preconditions: { resourceVersion: "1" } }),
  remove("delete with another uid", `${GROUP}/devclusters/x`, { preconditions: { uid: OTHER_UID } }),
  remove("delete", `${GROUP}/devclusters/x`),
  remove("delete again", `${GROUP}/devclusters/x`),
  apply(
    "apply during the deletion",
    `${GROUP}/devclusters/x`,
    cluster(endpoint(2), { annotations: { a: "b" }, finalizers: ["example.com/f"] }),
  ),
  update("one finalizer removed", `${GROUP}/devclusters/x`, { metadata: { finalizers: ["example.com/f"] } }),
  apply("last finalizer removed", `${GROUP}/devclusters/x`, cluster(endpoint(2), { annotations: { a: "b" } })),
  get("deleted object", `${GROUP}/devclusters/x`),
  remove("delete of a missing object", `${SECRETS}/none`),
  apply("machine template", `${GROUP}/awsmachinetemplates/t`, template("m5.large")),
  apply("machine template changed", `${GROUP}/awsmachinetemplates/t`, template("m5.xlarge")),

  ...[0, 1, 2, 3].map((number) =>
    apply(
      `page ${number}`,
      `${SECRETS}/p${number}`,
      secret(`p${number}`, {}, { labels: { page: "1", i: String(number % 2) } }),
    ),
  ),
  get("first page", `${SECRETS}?limit=3&labelSelector=page%3D1`),
  get("selector with a set", `${SECRETS}?labelSelector=page%20in%20(1,2),i!%3D0`),
  get("selector with keys", `${SECRETS}?labelSelector=page,!none`),
  get("selector without a match", `${SECRETS}?labelSelector=page%20notin%20(1),page`),
  { title: "delete a collection", method: "DELETE", path: `${SECRETS}?labelSelector=page%3D1,i%3D0` },
  get("rest of the collection", `${SECRETS}?labelSelector=page`),

  apply("owner", `${SECRETS}/owner`, secret("owner")),
  apply("owned", `${SECRETS}/owned`, secret("owned", {}, owner("owner", "owner"))),
  apply(
    "owned with a finalizer",
    `${SECRETS}/held`,
    secret("held", {}, { ...owner("owner", "owner"), finalizers: ["a.b/c"] }),
  ),
  remove("delete the owner", `${SECRETS}/owner`),
  get("owned is deleted", `${SECRETS}/owned`, true),
  get("owned with a finalizer is being deleted", `${SECRETS}/held`, true),
  apply("finalizer of the owned removed", `${SECRETS}/held`, secret("held", {}, owner("owner", "owner"))),
  get("owned with a finalizer is deleted", `${SECRETS}/held`),
  apply("waiting owner", `${SECRETS}/waiting`, secret("waiting")),
  apply(
    "owned by the waiting one",
    `${SECRETS}/held2`,
    secret("held2", {}, { ...owner("waiting", "waiting owner"), finalizers: ["a.b/c"] }),
  ),
  remove("delete in the foreground", `${SECRETS}/waiting`, { propagationPolicy: "Foreground" }),
  get("owner waits for what it owns", `${SECRETS}/waiting`, true),
  get("owned of the waiting owner is being deleted", `${SECRETS}/held2`, true),
  apply(
    "finalizer of the last owned removed",
    `${SECRETS}/held2`,
    secret("held2", {}, owner("waiting", "waiting owner")),
  ),
  get("owner is deleted", `${SECRETS}/waiting`, true),

  apply("finalizer in the namespace", `${SECRETS}/last`, secret("last", {}, { finalizers: ["a.b/c"] })),
  remove("delete the namespace", "/api/v1/namespaces/{NS}"),
  apply("creation in a namespace that is being deleted", `${SECRETS}/new`, secret("new")),
  get("object in a namespace that is being deleted", `${SECRETS}/last`, true),
  apply("last finalizer in the namespace removed", `${SECRETS}/last`, secret("last")),
  get("namespace is deleted", "/api/v1/namespaces/{NS}", true),
];
