/**
 * The peer of the benchmark: creates, reads and lists clusters with the usual libraries: Express with serverless-express, Zod and
 * ElectroDB. It stores and returns the same properties of a cluster, and has tokens, roles and the form of a creation, but no page
 * numbers, entity tags, idempotency, totals, events or reconciler. It stores what belongs to a cluster in the cluster's item, so every
 * read is one call besides those of the caller.
 */

import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import serverlessExpress from "@codegenie/serverless-express";
import { Entity } from "electrodb";
import express from "express";
import { z } from "zod";

const table = process.env.TABLE_NAME;
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}), {
  marshallOptions: { removeUndefinedValues: true },
});

const entity = (name, attributes, pk, sk) =>
  new Entity(
    {
      model: { entity: name, version: "1", service: "clusters" },
      attributes,
      indexes: { primary: { pk: { field: "pk", composite: pk }, sk: { field: "sk", composite: sk } } },
    },
    { client, table },
  );

const text = { type: "string", required: true };
const flag = { type: "boolean", required: true };
const number = { type: "number", required: true };
const map = (properties) => ({ type: "map", required: true, properties });
const credentials = map({ displayName: text, identity: text, isPrimary: flag });

const Token = entity("token", { tokenId: text, hash: text, user: text }, ["tokenId"], []);
const Member = entity("member", { organisation: text, user: text, role: text }, ["organisation"], ["user"]);
const Cluster = entity(
  "cluster",
  {
    organisation: text,
    environment: text,
    slug: text,
    addons: { type: "any" },
    ameOIDC: flag,
    autoUpgrade: flag,
    cloudAccount: map({ displayName: text, identity: text, primaryCloudCredentials: credentials }),
    cloudCredentials: credentials,
    cloudProvider: text,
    clusterPodSubnet: text,
    cni: text,
    conditions: {
      type: "list",
      items: map({
        ...{ type: text, status: text, reason: text, message: text },
        ...{ lastTransitionTime: text, observedGeneration: number },
      }),
    },
    createdAt: text,
    customerIdentity: text,
    deleteProtection: flag,
    description: { type: "string" },
    desiredStatus: text,
    enableMultiAvailabilityZones: flag,
    enableNATGateway: flag,
    enableNetworkEncryption: flag,
    environmentIdentity: text,
    environmentPrometheusRules: flag,
    generation: number,
    highlyAvailable: flag,
    identity: text,
    ipWhitelist: { type: "list", items: map({ cidr: text, description: text }) },
    modifiedAt: text,
    name: text,
    nodePools: { type: "list", items: { type: "any" } },
    podSecurityStandardsProfile: text,
    poolID: number,
    poolName: text,
    provisionStatus: text,
    region: text,
    serviceSubnet: text,
    status: text,
    version: text,
  },
  ["organisation"],
  ["environment", "slug"],
);

/** Response of a cluster. Its node pools are a resource of their own. */
const toResponse = ({ organisation, environment, slug, nodePools: _, ...cluster }) => ({
  ...cluster,
  customerSlug: { slugValue: organisation },
  environmentSlug: { slugValue: environment },
  slug: { slugValue: slug },
});

const conditionTypes = ["Provisioned", "Ready", "NodePoolsReady", "UpToDate", "Reconciled"];

/** A new cluster: what was requested, and defaults. */
function newCluster({ cloudAccountIdentity, ...requested }, now) {
  const primary = { displayName: "main", identity: cloudAccountIdentity, isPrimary: true };
  return {
    ...requested,
    addons: {},
    ameOIDC: false,
    autoUpgrade: false,
    cloudAccount: { displayName: "AWS", identity: cloudAccountIdentity, primaryCloudCredentials: primary },
    cloudCredentials: primary,
    cloudProvider: "aws",
    clusterPodSubnet: "10.244.0.0/16",
    cni: "cilium",
    conditions: conditionTypes.map((type) => ({
      ...{ type, status: type === "Reconciled" ? "Unknown" : "False", reason: "Accepted", lastTransitionTime: now },
      ...{ message: "The cluster was accepted; provisioning has not started.", observedGeneration: 1 },
    })),
    createdAt: now,
    customerIdentity: cloudAccountIdentity,
    deleteProtection: false,
    desiredStatus: "starting",
    enableMultiAvailabilityZones: false,
    enableNATGateway: false,
    enableNetworkEncryption: false,
    environmentIdentity: cloudAccountIdentity,
    environmentPrometheusRules: true,
    generation: 1,
    highlyAvailable: false,
    identity: randomUUID(),
    ipWhitelist: [],
    modifiedAt: now,
    podSecurityStandardsProfile: "privileged",
    poolID: 1,
    poolName: "default",
    provisionStatus: "ACCEPTED",
    serviceSubnet: "10.96.0.0/12",
    status: "new",
  };
}

const NodePool = z.object({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  nodeSize: z.string().min(1).max(64),
  minSize: z.number().int().min(0).max(1000).default(1),
  maxSize: z.number().int().min(0).max(1000).default(1),
});

const CreateCluster = z.object({
  name: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9 &-]+$/),
  region: z.string().min(1).max(64),
  version: z.string().regex(/^v\d+\.\d+\.\d+-u-ame\.\d+$/),
  cloudAccountIdentity: z.uuid(),
  description: z.string().max(500).optional(),
  nodePools: z.array(NodePool).max(50),
});

const hashOf = (secret) => createHash("sha256").update(secret).digest();

async function authenticate(request, response, next) {
  const [, tokenId = "", user = "", secret = ""] =
    /^(?:Token|Bearer) ame_([^_]+)_([^_]+)_(.+)$/.exec(request.get("authorization") ?? "") ?? [];
  const [token, member] = await Promise.all([
    Token.get({ tokenId }).go({ consistent: true }),
    Member.get({ organisation: request.params.organisation, user }).go({ consistent: true }),
  ]);
  const isGood = token.data !== null && timingSafeEqual(Buffer.from(token.data.hash, "hex"), hashOf(secret));
  if (!isGood) return response.status(401).json({ message: "Unauthorized", details: [] });
  if (member.data === null) return response.status(403).json({ message: "Forbidden", details: [] });
  next();
}

const app = express();
app.disable("x-powered-by");
app.use(express.json({ limit: "256kb" }));
app.use("/api/v1/orgs/:organisation", express.Router({ mergeParams: true }).use(authenticate));

app.post("/api/v1/orgs/:organisation/clusters/:environment", async (request, response) => {
  const parsed = CreateCluster.safeParse(request.body);
  if (!parsed.success) {
    const details = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    return response.status(400).json({ message: details[0], details });
  }
  const slug = parsed.data.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const { organisation, environment } = request.params;
  const created = { ...newCluster(parsed.data, new Date().toISOString()), organisation, environment, slug };
  try {
    const { data } = await Cluster.create(created).go();
    response.json(toResponse(data));
  } catch (error) {
    if (error.cause?.name !== "ConditionalCheckFailedException") throw error;
    response.status(409).json({ message: `The slug ${slug} is taken`, details: [] });
  }
});

app.get("/api/v1/orgs/:organisation/clusters", async (request, response) => {
  const { organisation } = request.params;
  const { data, cursor } = await Cluster.query
    .primary({ organisation })
    .go({ limit: 50, consistent: true, cursor: request.query.cursor ?? null });
  response.json({ content: data.map(toResponse), cursor });
});

app.get("/api/v1/orgs/:organisation/clusters/:environment/:slug", async (request, response) => {
  const { data } = await Cluster.get(request.params).go({ consistent: true });
  if (data === null) return response.status(404).json({ message: "There is no such cluster", details: [] });
  response.json(toResponse(data));
});

const serve = serverlessExpress({ app });

/** The Lambda handler. Node 24's runtime refuses serverless-express's own, because it takes a callback. */
export const handler = (event, context) => serve(event, context);

/** Writes an organisation with a member, a token and clusters to the table. @returns the token */
export async function seed(organisation, count) {
  const [tokenId, user, secret] = [randomUUID(), randomUUID(), randomUUID()];
  await Token.put({ tokenId, user, hash: hashOf(secret).toString("hex") }).go();
  await Member.put({ organisation, user, role: "admin" }).go();
  const clusters = Array.from({ length: count }, (_, number) => {
    const nodePools = [{ name: "web", nodeSize: "t3.medium", minSize: 1, maxSize: 1 }];
    const requested = { name: `c${number}`, region: "eu-west-1", version: "v1.34.4-u-ame.2", nodePools };
    const cluster = newCluster({ ...requested, cloudAccountIdentity: randomUUID() }, new Date().toISOString());
    return { ...cluster, organisation, environment: "production", slug: `c${number}` };
  });
  await Cluster.put(clusters).go();
  return `ame_${tokenId}_${user}_${secret}`;
}
