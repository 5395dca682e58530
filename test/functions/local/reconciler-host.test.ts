import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { CERTIFICATE_AUTHORITY } from "#core/cluster-access/entity.ts";
import { createLocalKeyring, createMemoryKeyStore, generateKeys } from "#core/secrets/local-keyring.ts";
import { openVault, readSecrets } from "#core/secrets/vault.ts";
import { CommitListeners } from "#core/table/commit-listeners.ts";
import { clusterIdentityOf } from "#core/table/keys.ts";
import { loadReconciler, startReconciler, type ThreadData } from "#functions/local/reconciler-host.ts";
import { RequestCounter } from "#functions/local/request-priority.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import { createAuthority } from "#test/support/kubernetes/certificates.ts";
import { base64 } from "#test/support/kubernetes-client.ts";
import { until } from "#test/support/server.ts";
import type { Tenant } from "#test/support/world.ts";

let world: ConfiguredWorld;
let tenant: Tenant;

beforeEach(async () => {
  world = await makeConfiguredWorld({ clock: () => new Date() });
  tenant = await world.tenant();
});
afterEach(() => world.stop());

/** Data of a thread whose first sweep is its only one. */
const dataOf = (more: Partial<ThreadData> = {}): ThreadData => ({
  config: readConfig({
    DYNAMODB_ENDPOINT: inject("endpoint"),
    TABLE_NAME: world.table.name,
    DATA_DIR: ":memory:",
    SIMULATED_STEP_MS: "1",
  }),
  commandEnvironment: {},
  endpoint: inject("endpoint"),
  keys: generateKeys(),
  issuer: { url: world.issuer.issuer, initialAccessToken: world.issuer.initialAccessToken, isLocal: true },
  startedAt: undefined,
  requests: new RequestCounter().memory,
  worker: { sweepMs: 600_000, concurrency: 4 },
  ...more,
});

const create = async (name: string): Promise<string> =>
  (await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation({ name }) })).body
    .identity;
const become = (name: string, status: string) =>
  until(async () => {
    const { body } = await world.send("GET", tenant.path("production", name), { token: tenant.admin });
    return body.status === status || undefined;
  });

test("the thread reconciles what this thread commits, with its keys, and announces what it commits", async () => {
  const data = dataOf();
  const commits = new CommitListeners();
  const announced = new Set<string | undefined>();
  commits.subscribe((keys) => {
    for (const key of keys) announced.add(clusterIdentityOf(key));
  });
  const before = await create("before");
  const reconciler = startReconciler(loadReconciler(), data, world.services, commits);
  await become("before", "started");
  // The only sweep is over.
  const after = await create("after");
  await become("after", "started");
  await reconciler.stop();
  expect([announced.has(before), announced.has(after)]).toEqual([true, true]);
  const keyring = createLocalKeyring(createMemoryKeyStore(data.keys));
  const secrets = await readSecrets(world.table, after);
  expect(secrets.has(CERTIFICATE_AUTHORITY)).toBe(true);
  expect(await openVault(world.table, keyring, after, secrets)).toBeDefined();
});

test("the reconciler of a stopped thread processes nothing", async () => {
  const reconciler = startReconciler(loadReconciler(), dataOf(), world.services, new CommitListeners());
  await create("before");
  await become("before", "started");
  await reconciler.stop();
  await create("after");
  const { body } = await world.send("GET", tenant.path("production", "after"), { token: tenant.admin });
  expect(body.status).toBe("new");
});

test("a thread that fails is reported", async () => {
  const data = dataOf({ issuer: { url: "no URL", initialAccessToken: undefined, isLocal: true } });
  const reconciler = startReconciler(loadReconciler(), data, world.services, new CommitListeners());
  await expect(reconciler.failed).rejects.toThrow("Invalid URL");
  await reconciler.stop();
});

test("a thread that ends without being stopped is reported", async () => {
  const thread = loadReconciler();
  const reconciler = startReconciler(thread, dataOf(), world.services, new CommitListeners());
  await thread.terminate();
  await expect(reconciler.failed).rejects.toThrow("ended unexpectedly");
  await reconciler.stop();
});

test("the credential plugin of the management cluster runs in the environment of the process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "plugin-"));
  const ran = join(folder, "ran");
  writeFileSync(join(folder, "test-plugin"), `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
  const { certificate } = await createAuthority();
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "test-plugin" };
  const kubeconfig = {
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    clusters: [
      { name: "a", cluster: { server: "https://127.0.0.1:1", "certificate-authority-data": base64(certificate) } },
    ],
    users: [{ name: "a", user: { exec } }],
  };
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(kubeconfig));
  const data = dataOf();
  const config = {
    ...data.config,
    PROVISIONER: "cluster-api",
    CLUSTER_API_KUBECONFIG: join(folder, "kubeconfig"),
  } as const;
  const profiles = { providers: { none: { settings: {}, regions: {} } } };
  const commandEnvironment = { PATH: `${folder}:/usr/bin:/bin` };
  const reconciler = startReconciler(
    loadReconciler(),
    { ...data, config, profiles: profiles as never, commandEnvironment },
    world.services,
    new CommitListeners(),
  );
  try {
    await create("plugin");
    await until(async () => existsSync(ran) || undefined);
  } finally {
    await reconciler.stop();
    rmSync(folder, { recursive: true });
  }
});
