import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findOrphanedResources, retryCluster } from "#core/admin/clusters.ts";
import { removeEnvironment } from "#core/admin/environments.ts";
import { rotateSecrets } from "#core/admin/rotate-secrets.ts";
import { OIDC_CLIENT } from "#core/cluster-access/entity.ts";
import { NotRegisteredError, type RegisteredClient } from "#core/cluster-access/identity-provider.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { deadlineIn } from "#core/shared/retry.ts";
import { secretKey } from "#core/table/keys.ts";
import { commit, Transaction } from "#core/table/transaction.ts";
import { expectInvariants } from "#test/support/invariants.ts";
import { type ConfiguredWorld, makeConfiguredWorld } from "#test/support/issuer.ts";
import type { Json, Tenant } from "#test/support/world.ts";

const own = createLocalKeyring(createMemoryKeyStore());
/** Wraps the keyring; its fault applies from the next call on. */
const keyring = { ...own };

let world: ConfiguredWorld;
let tenant: Tenant;
let real: ConfiguredWorld["provider"];
/** Clients that are registered with the issuer, by id. */
const alive = new Set<string>();

beforeAll(async () => {
  world = await makeConfiguredWorld({ maxAttempts: 1, keyring });
  const { register, remove } = world.provider;
  real = {
    async register(name, signal) {
      const made = await register(name, signal);
      alive.add(made.clientId);
      return made;
    },
    async remove(client, signal) {
      const isGone = await remove(client, signal);
      alive.delete(client.registrationUri.split("/").at(-1) ?? "");
      return isGone;
    },
  };
  tenant = await world.tenant();
});
beforeEach(() => {
  Object.assign(world.provider, real, { removeOthers: undefined });
  Object.assign(keyring, own);
  world.wire.fault = () => undefined;
  world.warnings.length = 0;
  alive.clear();
});
afterAll(() => world.stop());

let made = 0;

/** Creates a cluster. @returns its URL and its identity */
async function create(): Promise<{ slug: string; identity: string }> {
  const body = tenant.creation({ name: `cluster ${++made}` });
  const response = await world.send("POST", tenant.path("production"), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
  return { slug: `cluster-${made}`, identity: response.body.identity };
}

const at = (slug: string, ...rest: string[]) => [tenant.path("production", slug), ...rest].join("/");
const get = (path: string) => world.send("GET", path, { token: tenant.admin });
const patch = async (slug: string, body: Json) => {
  const response = await world.send("PATCH", at(slug), { token: tenant.admin, body });
  expect(response.status, response.text).toBe(200);
};
const reconciled = async (slug: string): Promise<Json> =>
  (await get(at(slug))).body.conditions.find(({ type }: Json) => type === "Reconciled");
const clientOf = async (identity: string): Promise<Json> =>
  (await world.table.query({ pk: `CLUSTER#${identity}`, prefix: "SECRET#OIDC" }))[0];

const closed = async (): Promise<never> => {
  throw new Error("closed");
};

/** Refuses every registration definitely. */
const refused = async (): Promise<never> => {
  throw new NotRegisteredError("closed");
};

/** Stops a worker at a write to the database: the write or its response is lost. */
const killedAt =
  (write: number, when: "before" | "after"): ConfiguredWorld["wire"]["fault"] =>
  ({ operation }) => {
    if (write < 0) return "before";
    if (operation !== "TransactWriteItems" || write-- > 0) return undefined;
    return when;
  };

/** Reconciles all that is due within minutes, as long as failing steps back off. @returns the cluster as shown */
async function settled(slug: string): Promise<Json> {
  await world.settle(6 * 60_000);
  return (await get(at(slug))).body;
}

describe("registering and removing the client of a cluster", () => {
  test("a killed worker never leaves an unrecorded client behind", async () => {
    for (let write = 0, isOver = false; !isOver; write++) {
      for (const when of ["before", "after"] as const) {
        alive.clear();
        world.warnings.length = 0;
        const { slug, identity } = await create();
        world.wire.fault = killedAt(write, when);
        await world.reconcileOnce(identity).catch(() => {});
        world.wire.fault = () => undefined;
        isOver ||= when === "before" && (await clientOf(identity))?.clientId !== undefined;
        // For the duration of its lease.
        world.advanceClock(60_000);
        await settled(slug);
        // An unconfirmed registration waits for an operator, and leaves one client at most.
        expect(alive.size).toBeLessThanOrEqual(1);
        await retryCluster(world.services, { identity });
        await settled(slug);
        expect(alive).toContain((await get(at(slug, "oidc-config"))).body.clientId);
        const unseen = alive.size - 1 - world.warnings.length;
        expect([write, when, Math.max(0, unseen)]).toEqual([write, when, 0]);
      }
    }
  });

  test("a client that may have been registered when the worker died is reported, also when the cluster is deleted", async () => {
    const { slug, identity } = await create();
    world.provider.register = async (name, signal) => {
      await real.register(name, signal);
      return await closed();
    };
    await world.reconcileOnce(identity);
    const where = { organisation: tenant.slug, environment: "production", cluster: slug };
    expect((await findOrphanedResources(world.services, where)).oidcClient).toEqual({
      name: `kubernetes ${identity}`,
      isInDoubt: true,
    });
    await patch(slug, { status: "deleting" });
    await settled(slug);
    expect((await get(at(slug))).status).toBe(404);
    expect(alive.size).toBe(1);
    expect(world.warnings).toEqual([expect.stringContaining(`kubernetes ${identity}`)]);
  });

  test("a client that was certainly not registered is not reported", async () => {
    const { slug } = await create();
    world.provider.register = async () => {
      throw new NotRegisteredError("closed");
    };
    expect((await settled(slug)).status).toBe("new");
    expect((await reconciled(slug)).message).toContain("closed");
    Object.assign(world.provider, real);
    expect((await settled(slug)).status).toBe("started");
    expect([alive.size, world.warnings]).toEqual([1, []]);
  });

  test("a client whose registration completes after the worker lost its lease is removed again", async () => {
    const slow = await makeConfiguredWorld({ callMs: 1_000, maxAttempts: 1 });
    const { register, remove } = slow.provider;
    const [given, removed] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()];
    slow.provider.remove = async (client, signal) => {
      const isGone = await remove(client, signal);
      removed.resolve(isGone);
      return isGone;
    };
    slow.provider.register = async (name, signal) => {
      const client = await register(name, signal);
      Object.assign(slow.provider, { register });
      await given.promise;
      return client;
    };
    const owner = await slow.tenant();
    const response = await slow.send("POST", owner.path("production"), { token: owner.admin, body: owner.creation() });
    expect(response.status, response.text).toBe(200);
    await slow.reconcileOnce(response.body.identity);
    given.resolve();
    expect(await removed.promise).toBe(true);
    await slow.settle(60_000);
    const config = await slow.send("GET", owner.path("production", "one/oidc-config"), { token: owner.admin });
    expect(config.status).toBe(200);
    await slow.stop();
  });

  test("no client is requested while its secret cannot be encrypted", async () => {
    const { slug } = await create();
    keyring.generate = closed;
    expect((await settled(slug)).status).toBe("new");
    Object.assign(keyring, own);
    // With a certificate authority, but without a client yet.
    world.provider.register = async () => {
      throw new NotRegisteredError("closed");
    };
    await settled(slug);
    Object.assign(world.provider, real);
    keyring.unwrap = closed;
    expect((await settled(slug)).status).toBe("new");
    expect((await reconciled(slug)).message).toMatch(/registering the OIDC client.*closed/);
    expect(alive.size).toBe(0);
    Object.assign(keyring, own);
    expect((await settled(slug)).status).toBe("started");
    expect([alive.size, world.warnings]).toEqual([1, []]);
    // The deletion does not complete either while its registration token cannot be decrypted.
    keyring.unwrap = closed;
    await patch(slug, { status: "deleting" });
    expect((await settled(slug)).status).toBe("deleting");
    expect((await reconciled(slug)).message).toMatch(/undoing: registering the OIDC client.*closed/);
    Object.assign(keyring, own);
    await settled(slug);
    expect((await get(at(slug))).status).toBe(404);
    expect([alive.size, world.warnings]).toEqual([0, []]);
  });

  test("a client is removed with its cluster, also after moves and an undelete, and with a deleted environment", async () => {
    const { slug } = await create();
    await settled(slug);
    const admin = { token: tenant.admin };
    const body = { status: "deleting" };
    const first = [...alive];
    const moved = await world.send("PATCH", at(slug), { ...admin, body: { environmentSlug: "staging" } });
    expect(moved.status, moved.text).toBe(200);
    const there = tenant.path("staging", slug);
    expect((await get(`${there}/oidc-config`)).body.clientId).toBe(first[0]);
    expect((await world.send("PATCH", there, { ...admin, body })).status).toBe(200);
    await world.settle(60_000);
    expect([(await get(there)).status, alive.size]).toEqual([404, 0]);
    expect((await world.send("POST", `${there}/undelete`, admin)).status).toBe(200);
    await world.settle(60_000);
    expect((await get(`${there}/oidc-config`)).body.clientId).toBe([...alive][0]);
    expect([alive.size, [...alive][0] === first[0]]).toEqual([1, false]);
    expect((await world.send("PATCH", there, { ...admin, body })).status).toBe(200);
    await removeEnvironment(world.services, tenant.slug, "staging");
    await world.settle(60_000);
    expect([alive.size, world.warnings]).toEqual([0, []]);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("an issuer that finds clients by name", () => {
  /** Clients that were registered, whether they still exist or not. */
  let registered: RegisteredClient[] = [];
  let kept: (readonly string[])[] = [];

  beforeEach(() => {
    registered = [];
    kept = [];
    world.provider.removeOthers = async (name, ids, signal) => {
      kept.push(ids);
      await world.removeOthers(name, ids, signal);
    };
    world.provider.register = record;
  });

  const record: typeof real.register = async (name, signal) => {
    const client = await real.register(name, signal);
    registered.push(client);
    return client;
  };

  /** Registers clients, and loses the response once. */
  const loseOne: typeof real.register = async (name, signal) => {
    world.provider.register = record;
    await record(name, signal);
    return await closed();
  };

  /** Returns the ids of the clients that the issuer has. */
  async function existing(): Promise<string[]> {
    const ids = registered.map(async ({ clientId, registrationUri = "", registrationAccessToken }) => {
      const response = await fetch(registrationUri, {
        headers: { authorization: `Bearer ${registrationAccessToken}` },
      });
      await response.body?.cancel();
      return response.ok ? [clientId] : [];
    });
    return (await Promise.all(ids)).flat();
  }

  const recordedId = async (slug: string): Promise<string> => (await get(at(slug, "oidc-config"))).body.clientId;

  test("a cluster whose worker is killed at any write starts without an operator, and has one client", async () => {
    for (let write = 0, isOver = false; !isOver; write++) {
      for (const when of ["before", "after"] as const) {
        registered = [];
        const { slug, identity } = await create();
        world.wire.fault = killedAt(write, when);
        await world.reconcileOnce(identity).catch(() => {});
        world.wire.fault = () => undefined;
        isOver ||= when === "before" && (await clientOf(identity))?.clientId !== undefined;
        // For the duration of its lease.
        world.advanceClock(60_000);
        expect([write, when, (await settled(slug)).status]).toEqual([write, when, "started"]);
        expect(await existing()).toEqual([await recordedId(slug)]);
      }
    }
    expect(world.warnings).toEqual([]);
  });

  test("a client whose registration got no response is replaced, and not reported", async () => {
    const { slug } = await create();
    world.provider.register = loseOne;
    expect((await settled(slug)).status).toBe("started");
    expect(registered).toHaveLength(2);
    expect(await existing()).toEqual([await recordedId(slug)]);
    expect([kept, world.warnings]).toEqual([[[]], []]);
  });

  test("a renewal without a response keeps the present client until the next one is recorded", async () => {
    const HOUR_MS = 60 * 60_000;
    const { slug } = await create();
    world.provider.register = async (name, signal) => {
      world.provider.register = loseOne;
      const expiresAt = new Date(world.services.clock().getTime() + 6 * HOUR_MS).toISOString();
      return { ...(await record(name, signal)), expiresAt };
    };
    await settled(slug);
    const first = await recordedId(slug);
    await world.settle(5 * HOUR_MS);
    expect(kept).toEqual([[first]]);
    expect(registered).toHaveLength(3);
    expect(await existing()).toEqual([await recordedId(slug)]);
    expect(world.warnings).toEqual([]);
  });

  test("a failure to remove others is retried", async () => {
    const { slug } = await create();
    world.provider.register = loseOne;
    const { removeOthers } = world.provider;
    world.provider.removeOthers = async () => {
      world.provider.removeOthers = removeOthers;
      throw new Error("the issuer is down");
    };
    expect((await settled(slug)).status).toBe("started");
    expect(await existing()).toEqual([await recordedId(slug)]);
  });

  test("the deletion of a cluster removes the client of a registration without a response", async () => {
    const { slug, identity } = await create();
    world.provider.register = loseOne;
    await world.reconcileOnce(identity);
    expect(await existing()).toHaveLength(1);
    await patch(slug, { status: "deleting" });
    await settled(slug);
    expect((await get(at(slug))).status).toBe(404);
    expect([await existing(), world.warnings]).toEqual([[], []]);
  });
});

describe("a rotation of secrets concurrent with the registration of a client", () => {
  const rotate = () => rotateSecrets({ ...world.services, keyring: own, graceMs: 0 });

  /** @returns a function that rotates secrets once, concurrently with its caller, and waits for the rotation */
  const rotating = () => {
    const [asked, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    void asked.promise.then(rotate).then(() => done.resolve(), done.reject);
    return async () => {
      asked.resolve();
      await done.promise;
    };
  };

  test("a rotation during the registration of a client causes a second registration, and the first client is removed", async () => {
    const { slug } = await create();
    const rotateOnce = rotating();
    world.provider.register = async (name, signal) => {
      const client = await real.register(name, signal);
      await rotateOnce();
      return client;
    };
    expect((await settled(slug)).status).toBe("started");
    expect([...alive]).toEqual([(await get(at(slug, "oidc-config"))).body.clientId]);
    expect(world.warnings).toEqual([]);
  });

  test("a rotation before a registration with another issuer leaves the previous issuer's secret readable", async () => {
    const { slug, identity } = await create();
    await settled(slug);
    const before = (await get(at(slug, "oidc-config"))).body;
    const key = secretKey(identity, OIDC_CLIENT);
    const elsewhere = new Transaction().update("client", key, "SET #issuer = :issuer", {
      values: { ":issuer": "https://before.example" },
    });
    expect(await commit(world.table, elsewhere, deadlineIn())).toEqual([]);
    world.provider.register = refused;
    const rotateOnce = rotating();
    keyring.unwrap = async (...given) => {
      const data = await own.unwrap(...given);
      await rotateOnce();
      return data;
    };
    await retryCluster(world.services, { organisation: tenant.slug, environment: "production", cluster: slug });
    await settled(slug);
    expect((await reconciled(slug)).message).toContain("closed");
    const after = await get(at(slug, "oidc-config"));
    expect([after.status, after.body]).toEqual([200, { ...before, issuerUrl: "https://before.example" }]);
    await rotate();
    Object.assign(world.provider, real);
    await settled(slug);
    expect((await get(at(slug, "oidc-config"))).body.issuerUrl).toBe(before.issuerUrl);
    // The previous client is removed with the recorded token, whatever the name of its issuer.
    expect([...alive]).toEqual([(await get(at(slug, "oidc-config"))).body.clientId]);
    expect(world.warnings).toEqual([]);
  });
});

test("an issuer that does not respond does not delay the building of a cluster", async () => {
  const { slug, identity } = await create();
  await settled(slug);
  for (const item of await world.table.query({ pk: secretKey(identity, OIDC_CLIENT).pk, prefix: "SECRET#" })) {
    await world.remove(item);
  }
  world.provider.register = refused;
  await patch(slug, { status: "stopping" });
  expect(await settled(slug)).toMatchObject({ status: "stopped", provisionStatus: "DONE" });
  expect(await reconciled(slug)).toMatchObject({ status: "False", reason: "PreparationFailed" });
});
