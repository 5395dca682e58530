/** Certificate authority and bootstrap tokens of clusters with API servers of their own. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import { createCertificateAuthority } from "#core/cluster-access/certificate-authority.ts";
import { bootstrapTokensEntity } from "#core/cluster-access/entity.ts";
import type { BootstrapToken } from "#core/provisioning/provisioner.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { keyText, secretKey } from "#core/table/keys.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import type { Json, Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;
let certificate: string;
/** Tokens in the cluster, by id. */
const inCluster = new Map<string, BootstrapToken>();
let isReachable = true;
let name = 0;
let cluster: Json;

const traits = { ...simulatedTraits, hasApiServers: true };

beforeAll(async () => {
  ({ certificate } = await createCertificateAuthority("another", new Date("2026-11-23T10:00:00.000Z")));
  world = await makeConfiguredWorld({
    provisioner: traits,
    extend: (provisioner) => ({
      ...provisioner,
      ...traits,
      async observe(target, signal) {
        const seen = await provisioner.observe(target, signal);
        return seen?.endpoint === undefined ? seen : { ...seen, certificateAuthority: certificate };
      },
      async updateBootstrapTokens(_, tokens, revoked) {
        if (!isReachable) throw new Error("the API server does not answer");
        for (const token of tokens) inCluster.set(token.token.slice(0, 6), token);
        for (const id of revoked) inCluster.delete(id);
      },
    }),
  });
  tenant = await world.tenant();
});
afterAll(() => world.stop());

const get = async (rest: string) =>
  await world.send("GET", `${tenant.path("production", `c${name}`)}${rest}`, { token: tenant.admin });

async function join(): Promise<string> {
  const response = await get("/join-config");
  expect(response.status, response.text).toBe(200);
  return /--token (\S+)/.exec(response.body.joinCommand)?.[1] ?? "";
}

async function storedTokens() {
  const key = secretKey(cluster.identity, "BOOTSTRAP");
  const item = (await world.table.get([key])).get(keyText(key));
  return { item, tokens: item && bootstrapTokensEntity.read(item) };
}

beforeEach(async () => {
  inCluster.clear();
  isReachable = true;
  const body = tenant.creation({ name: `c${++name}` });
  cluster = (await world.send("POST", tenant.path("production"), { token: tenant.admin, body })).body;
});

describe("a cluster with an API server", () => {
  test("a cluster has no certificate authority until its API server has one, and then that one", async () => {
    await world.reconcileOnce(cluster.identity);
    expect((await get("/oidc-config")).status).toBe(409);
    await world.settle();
    expect((await get("/oidc-config")).body.caCertificate).toBe(certificate);
    expect((await get("/kubeconfig")).body.clusters[0].cluster["certificate-authority-data"]).toBe(
      Buffer.from(certificate).toString("base64"),
    );
  });

  test("a new certificate authority of the API server replaces the stored one", async () => {
    await world.settle();
    const before = certificate;
    ({ certificate } = await createCertificateAuthority("renewed", new Date("2026-11-23T10:00:00.000Z")));
    expect(certificate).not.toBe(before);
    world.advanceClock(61 * 60_000);
    await world.settle();
    expect((await get("/oidc-config")).body.caCertificate).toBe(certificate);
  });

  test("an issued token is encrypted until it is created in the cluster, and not stored afterwards", async () => {
    await world.settle();
    const token = await join();
    const { item } = await storedTokens();
    expect(item?.sealed).toBeDefined();
    expect(JSON.stringify(item)).not.toContain(token);
    expect(inCluster.size).toBe(0);
    await world.settle();
    expect([...inCluster.values()]).toEqual([{ token, expiresAt: expect.stringMatching(/^2026-/) }]);
    expect((await storedTokens()).item?.sealed).toBeUndefined();
  });

  test("tokens that were issued while the API server did not answer are all created later", async () => {
    await world.settle();
    isReachable = false;
    const first = await join();
    await world.reconcileOnce(cluster.identity);
    const shown = (await get("")).body.conditions.find(({ type }: Json) => type === "Reconciled");
    expect(shown.message).toContain("the API server does not answer");
    expect(shown.message).not.toContain(first);
    const second = await join();
    isReachable = true;
    await world.settle();
    expect([...inCluster.values()].map(({ token }) => token).sort()).toEqual([first, second].sort());
  });

  test("tokens that were issued before and after a rotation of the secrets are created", async () => {
    await world.settle();
    isReachable = false;
    const first = await join();
    await rotateSecrets({ ...world.services, keyring: world.keyring, graceMs: 0 });
    const second = await join();
    isReachable = true;
    await world.settle();
    expect([...inCluster.values()].map(({ token }) => token).sort()).toEqual([first, second].sort());
  });

  test("a token above the maximum revokes the oldest token in the cluster", async () => {
    await world.settle();
    const issued: string[] = [];
    for (let count = 0; count < 20; count++) issued.push(await join());
    await world.settle();
    expect(inCluster.size).toBe(20);
    issued.push(await join());
    await world.settle();
    expect([...inCluster.values()].map(({ token }) => token).sort()).toEqual(issued.slice(1).sort());
    expect((await storedTokens()).tokens?.revoked).toBeUndefined();
  });

  test("a token that expired before the API server answered is not created", async () => {
    await world.settle();
    isReachable = false;
    await join();
    world.advanceClock(25 * 60 * 60_000);
    isReachable = true;
    await world.settle();
    expect(inCluster.size).toBe(0);
    expect((await storedTokens()).item?.sealed).toBeUndefined();
  });

  test("tokens of concurrent requests are all created, and the cluster is ready afterwards", async () => {
    await world.settle();
    const issued = await Promise.all(Array.from({ length: 6 }, join));
    await world.settle();
    expect([...inCluster.values()].map(({ token }) => token).sort()).toEqual(issued.sort());
  });
});
