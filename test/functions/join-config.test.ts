import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MAX_TOKENS } from "#core/cluster-access/bootstrap-tokens.ts";
import { bootstrapTokensEntity } from "#core/cluster-access/entity.ts";
import { reconcile } from "#core/provisioning/reconcile.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { pointerKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { roundTripsOf } from "#test/support/faults.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { secretsIn } from "#test/support/secrets.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let identity: string;
let pool: Json;

const at = (...rest: string[]) => [tenant.path("production", "one"), ...rest].join("/");
const send = (method: string, path: string, more = {}) => world.send(method, path, { token: tenant.admin, ...more });
const join = (more = {}) => send("GET", at("join-config"), more);
const plain = (base64: string) => Buffer.from(base64, "base64").toString();
const tokenIn = ({ joinCommand }: Json): string => /--token (\S+)/.exec(joinCommand)?.[1] ?? "";

const POOL = {
  name: "gpu",
  nodeSize: "t3.medium",
  labels: { role: "worker" },
  taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }],
  enableNodeReboots: true,
  securityUpdatesOnJoin: "INSTALL_AND_REBOOT",
};

/** Creates the cluster "one" with a pool, and reconciles it as far as possible. */
async function create(): Promise<void> {
  tenant = await world.tenant();
  const body = tenant.creation({ nodePools: [POOL] });
  const response = await send("POST", tenant.path("production"), { body });
  expect(response.status, response.text).toBe(200);
  identity = response.body.identity;
  [pool] = (await send("GET", at("pools"))).body;
}

beforeAll(async () => {
  world = await makeConfiguredWorld();
});
beforeEach(async () => {
  await create();
  await world.settle();
});
afterAll(() => world.stop());

/** Returns the stored items of tokens. */
async function kept(): Promise<Json[]> {
  const [item] = await world.table.query({ pk: `CLUSTER#${identity}`, prefix: "SECRET#BOOTSTRAP" });
  return item === undefined ? [] : bootstrapTokensEntity.read(item).tokens;
}

const eventsOf = async (type: string): Promise<Json[]> =>
  (await send("GET", at("events?size=100"))).body.content.filter((event: Json) => event.type === type);

describe("a join configuration", () => {
  test("a cluster's join configuration joins a machine with the API server, its authority and a new token", async () => {
    const { status, headers, body } = await join();
    expect([status, headers.get("cache-control"), headers.get("etag")]).toEqual([200, "no-store", null]);
    const { caCertificate } = (await send("GET", at("oidc-config"))).body;
    const spki = new X509Certificate(caCertificate).publicKey.export({ format: "der", type: "spki" });
    const hash = createHash("sha256").update(spki).digest("hex");
    expect(body.joinCommand).toMatch(
      new RegExp(
        `^kubeadm join ${identity}\\.clusters\\.invalid:6443 --token [a-z0-9]{6}\\.[a-z0-9]{16} --discovery-token-ca-cert-hash sha256:${hash}$`,
      ),
    );
    expect(body.versions).toEqual({ kubernetes: "1.34.4", containerd: expect.any(String), crictl: expect.any(String) });
    const userData = plain(body.cloudInitUserDataBase64);
    expect(userData).toMatch(/^#cloud-config\n/);
    expect(userData).toContain(tokenIn(body));
    expect(plain(body.installScriptBase64)).toMatch(/^#!/);
    expect(plain(body.upgradeScriptBase64)).toContain("kubeadm upgrade node");
    expect(parse(plain(body.kubeletConfigBase64))).toMatchObject({
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      clusterDNS: ["10.96.0.10"],
    });
    // The token occurs only in the documents that need it.
    for (const part of ["installScriptBase64", "kubeletConfigBase64", "upgradeScriptBase64"]) {
      expect([part, secretsIn(plain(body[part]))]).toEqual([part, []]);
    }
  });

  test("a join configuration during an upgrade installs the API server's running version, then the new one", async () => {
    const versionsOf = async () => {
      const responses = [await join(), await send("GET", at("pools", pool.identity, "join-config"))];
      return responses.map(({ body }) => [
        body.versions.kubernetes,
        /this node runs Kubernetes v([0-9.]+)/.exec(plain(body.upgradeScriptBase64))?.[1],
      ]);
    };
    const patch = async (version: string) =>
      expect((await send("PATCH", at(), { body: { version } })).status, version).toBe(200);
    const [before, after] = [
      ["1.34.4", "1.34.4"],
      ["1.35.0", "1.35.0"],
    ];
    await patch("v1.35.0-u-ame.1");
    expect(await versionsOf()).toEqual([before, before]);
    await reconcile(world.reconciler, identity, 0);
    expect(await versionsOf()).toEqual([before, before]);
    await world.settle();
    expect(await versionsOf()).toEqual([after, after]);
    // A downgrade changes nodes first.
    await patch((await send("GET", at("upgrades"))).body.reachable[0].version);
    expect(await versionsOf()).toEqual([before, before]);
  });

  test("a pool's join configuration has its labels, taints, reboots and updates, by id or identity, GET or POST", async () => {
    for (const which of [pool.id, pool.identity]) {
      for (const request of [
        { method: "GET" },
        { method: "POST" },
        { method: "POST", headers: { "content-type": "application/json", "content-length": "0" } },
        { method: "POST", body: { ignored: true } },
      ]) {
        const { method, ...more } = request;
        const response = await send(method, at("pools", `${which}`, "join-config"), more);
        expect([request, response.status]).toEqual([request, 200]);
        const script = plain(response.body.installScriptBase64);
        expect(script).toContain("role=worker");
        expect(script).toContain('key: "dedicated"');
        expect(script).toMatch(/unattended-upgrade[\s\S]+systemctl reboot/);
      }
    }
    const whole = plain((await join()).body.installScriptBase64);
    expect(whole).not.toMatch(/role=worker|dedicated|unattended-upgrade/);
  });

  test("a join configuration requires an admin", async () => {
    const stranger = await world.tenant();
    const callers = [
      ...(await Promise.all((["viewer", "developer"] as const).map((role) => tenant.person(role)))),
      await tenant.person("admin", { production: "developer" }),
      await tenant.person("viewer", { production: "admin" }),
      { token: stranger.admin },
      { token: "nonsense" },
    ];
    for (const path of [at("join-config"), at("pools", `${pool.id}`, "join-config")]) {
      const statuses = [];
      for (const { token } of callers) statuses.push((await world.send("GET", path, { token })).status);
      expect([path, statuses]).toEqual([path, [403, 403, 403, 200, 403, 401]]);
    }
    expect(await kept()).toHaveLength(2);
  });

  test("HEAD of a join configuration returns 405 and creates no token", async () => {
    const cluster = await send("HEAD", at("join-config"));
    expect([cluster.status, cluster.headers.get("allow")]).toEqual([405, "GET"]);
    const ofPool = await send("HEAD", at("pools", `${pool.id}`, "join-config"));
    expect([ofPool.status, ofPool.headers.get("allow")]).toEqual([405, "GET, POST"]);
    expect((await send("POST", at("join-config"), { body: {} })).status).toBe(405);
    expect(await kept()).toEqual([]);
  });

  test("a join configuration is never stored for retries", async () => {
    const request = { headers: { "idempotency-key": "one" } };
    const path = at("pools", `${pool.id}`, "join-config");
    const [first, second] = [await send("POST", path, request), await send("POST", path, request)];
    expect(tokenIn(first.body)).not.toBe(tokenIn(second.body));
    expect(second.headers.get("idempotency-replayed")).toBeNull();
    for await (const item of world.table.scan()) expect(item.pk).not.toContain("IDEMPOTENCY");
  });

  test("a join configuration of a missing resource returns 404, and unknown parameters are ignored or refused", async () => {
    expect((await send("GET", tenant.path("production", "two/join-config"))).status).toBe(404);
    expect((await send("GET", at("pools/7/join-config"))).status).toBe(404);
    expect((await send("GET", at("join-config?x=1"))).headers.get("warning")).toContain("x");
  });

  test("a join configuration makes three round trips", async () => {
    world.wire.latencyMs = 15;
    for (const path of [at("join-config"), at("pools", `${pool.id}`, "join-config")]) {
      world.wire.spans.length = 0;
      expect((await send("GET", path)).status).toBe(200);
      expect([path, roundTripsOf(world.wire.spans)]).toEqual([path, 3]);
    }
    world.wire.latencyMs = 0;
  });
});

describe("a join configuration that is not available", () => {
  test("a join configuration returns 409 with Retry-After before the cluster is ready and while it is deleted", async () => {
    await create();
    const early = await join();
    expect([early.status, early.headers.get("retry-after")]).toEqual([409, "5"]);
    expect(early.body.message).toContain("ACCEPTED");
    await world.settle();
    expect((await join()).status).toBe(200);
    expect((await send("PATCH", at(), { body: { status: "deleting" } })).status).toBe(200);
    const late = await join();
    expect([late.status, late.headers.get("retry-after")]).toEqual([409, "5"]);
    const stopped = await send("DELETE", at("pools", `${pool.id}`));
    expect(stopped.status).toBe(204);
  });

  test("a join configuration of a deleting pool returns 409", async () => {
    expect((await send("DELETE", at("pools", `${pool.id}`))).status).toBe(204);
    const response = await send("GET", at("pools", `${pool.id}`, "join-config"));
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining("is being deleted")]);
  });
});

describe("bootstrap tokens of a cluster", () => {
  test("bootstrap tokens are stored as hashes, and events name their callers", async () => {
    const { user, token: caller } = await tenant.person("admin");
    const response = await world.send("GET", at("pools", `${pool.id}`, "join-config"), { token: caller });
    const token = tokenIn(response.body);
    expect(await kept()).toEqual([
      {
        id: token.slice(0, 6),
        hash: createHash("sha256").update(token).digest("hex"),
        createdAt: expect.any(String),
        expiresAt: expect.any(String),
      },
    ]);
    const [event] = await eventsOf("cluster.join-config-issued");
    expect(event).toMatchObject({
      user,
      changes: [
        { path: "bootstrapToken", to: token.slice(0, 6) },
        { path: "nodePool", to: pool.identity },
      ],
    });
    const secret = token.slice(7);
    for await (const item of world.table.scan()) expect(JSON.stringify(item)).not.toContain(secret);
    expect(world.logs.join("\n")).not.toContain(secret);
    await expectInvariants(world.services, tenant.slug);
  });

  test("bootstrap tokens requested concurrently are all valid, and beyond the limit the oldest are revoked", async () => {
    const responses = await Promise.all(Array.from({ length: MAX_TOKENS + 5 }, () => join()));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
    const ids = new Set(responses.map(({ body }) => tokenIn(body).slice(0, 6)));
    expect(ids.size).toBe(MAX_TOKENS + 5);
    const tokens = await kept();
    expect(tokens).toHaveLength(MAX_TOKENS);
    expect(tokens.every(({ id }) => ids.has(id))).toBe(true);
    const revoked = (await eventsOf("cluster.join-config-issued")).flatMap(({ changes }) =>
      changes.filter(({ from }: Json) => from !== undefined),
    );
    expect(new Set(revoked.map(({ from }: Json) => from)).size).toBe(5);
  });

  test("bootstrap tokens do not change the entity tag, and are deleted with the cluster", async () => {
    const before = (await send("GET", at())).headers.get("etag");
    await join();
    expect((await send("GET", at())).headers.get("etag")).toBe(before);
    await send("PATCH", at(), { body: { status: "deleting" } });
    await world.settle();
    expect(await kept()).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("bootstrap tokens are not stored for a cluster that was deleted while they were created", async () => {
    // Like the final deletion, which first updates the pointer.
    const gone = new Transaction().update("pointer", pointerKey(identity), "SET #ttl = :ttl", {
      values: { ":ttl": 1 },
    });
    expect(await commit(world.table, gone, deadlineIn())).toEqual([]);
    const response = await join();
    expect([response.status, response.body.message]).toEqual([409, expect.stringContaining("being deleted")]);
    expect(await kept()).toEqual([]);
  });

  test("a bootstrap token is stored once or not at all when a database call fails", async () => {
    for (let call = 0; ; call++) {
      for (const when of ["before", "after"] as const) {
        const before = await kept();
        const careful = world.sibling();
        let sent = 0;
        careful.wire.fault = () => (sent++ === call ? when : undefined);
        const response = await careful.send("GET", at("join-config"), { token: tenant.admin });
        const added = (await kept()).length - before.length;
        if (response.status === 200) expect(added).toBe(1);
        else expect([response.status, added <= 1]).toEqual([503, true]);
        if (sent <= call) return;
      }
    }
  });
});
