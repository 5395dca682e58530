import { beforeEach, describe, expect, test } from "vitest";
import { createEnvironment, getEnvironment, listEnvironments, removeEnvironment } from "#core/admin/environments.ts";
import { setMember } from "#core/admin/members.ts";
import { readChunks } from "#core/listing/page-index.ts";
import { finishEnvironmentDeletion } from "#core/tenancy/environment-deletion.ts";
import { checkIndexes } from "#functions/admin/page-index.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { interrupt } from "#test/support/faults.ts";
import { clustersOf, expectInvariants } from "#test/support/invariants.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;

beforeEach(async () => {
  world ??= await makeWorld({ pageIndex: { bucket: 2, chunk: 2 } });
  tenant = await world.tenant();
});

const send = (method: string, path: string, body?: unknown) => world.send(method, path, { token: tenant.admin, body });

async function create(name: string, environment = "production"): Promise<Json> {
  const response = await send("POST", tenant.path(environment), tenant.creation({ name }));
  expect(response.status, response.text).toBe(200);
  return response.body;
}

async function deleting(name: string, environment = "production"): Promise<Json> {
  const made = await create(name, environment);
  expect((await send("PATCH", tenant.path(environment, name), { status: "deleting" })).status).toBe(200);
  return made;
}

const remove = (services = world.services) => removeEnvironment(services, tenant.slug, "production");
const finish = (slug: string) => finishDeletion(world.services, tenant.slug, "production", slug);
const finishEnvironment = () => finishEnvironmentDeletion(world.services, tenant.slug, "production");
const namesIn = async (path: string) => {
  const { status, body, text } = await send("GET", path);
  expect(status, text).toBe(200);
  expect([body.totalElements, body.numberOfElements]).toEqual([body.content.length, body.content.length]);
  return body.content.map(({ name }: Json) => name);
};

/** Another process, in which something happens before its first transaction. */
function interrupted(act: () => Promise<void>): World {
  const sibling = world.sibling();
  interrupt(sibling.table, act);
  return sibling;
}

describe("removing an environment that has only deleting clusters", () => {
  beforeEach(async () => {
    for (const name of ["a", "b", "c", "d", "e"]) await deleting(name);
    await create("keep", "staging");
  });

  test("a removed environment is hidden at once with its clusters: by path, and in every list, page and total", async () => {
    const every = [tenant.path(), `${tenant.path()}?sortDirection=DESC`, `${tenant.path()}?sort=name`];
    for (const list of every) expect(await namesIn(list)).toHaveLength(6);
    await remove();
    for (const list of [...every, `${tenant.path()}?name=`, `${tenant.path()}?region=eu-west-1`]) {
      expect(await namesIn(list)).toEqual(["keep"]);
    }
    expect(await namesIn(`${tenant.path()}?status=deleting`)).toEqual([]);
    expect(await namesIn(`${tenant.path()}?name=a`)).toEqual([]);
    expect(await namesIn(`/api/v1/orgs/${tenant.slug}/environments`)).toEqual(["staging"]);
    expect((await listEnvironments(world.services, tenant.slug)).map(({ slug }) => slug)).toEqual(["staging"]);
    await expect(getEnvironment(world.services, tenant.slug, "production")).rejects.toMatchObject({ kind: "notFound" });
    const body = { status: "stopping" };
    const move = { currentEnvironment: "production", newEnvironment: "staging" };
    for (const [method, path, sent] of [
      ["GET", `/api/v1/orgs/${tenant.slug}/environments/production`],
      ["GET", tenant.path("production")],
      ["GET", tenant.path("production", "a")],
      ["GET", `${tenant.path("production", "a")}/pools`],
      ["GET", `${tenant.path("production", "a")}/upgrades`],
      ["PATCH", tenant.path("production", "a"), body],
      ["POST", tenant.path("production"), tenant.creation()],
      ["POST", tenant.path("a", "move"), move],
      ["POST", `${tenant.path("production", "a")}/undelete`, {}],
    ] as const) {
      const response = await send(method, path, sent);
      expect([path, response.status, response.body.message]).toEqual([
        path,
        404,
        expect.stringMatching(/^There is no environment "production"/),
      ]);
    }
    const into = await send("PATCH", tenant.path("staging", "keep"), { environmentSlug: "production" });
    expect([into.status, into.body.message]).toEqual([400, expect.stringContaining("environmentSlug")]);
    await expectInvariants(world.services, tenant.slug);
    expect((await checkIndexes(world.services, tenant.slug)).discrepancies).toEqual([]);
  });

  test("a removed environment is hidden from members with a role override for it, too", async () => {
    const { token } = await tenant.person("viewer", { production: "admin", staging: "none" });
    const list = () => world.send("GET", tenant.path(), { token });
    expect((await list()).body.totalElements).toBe(5);
    await remove();
    expect((await list()).body).toMatchObject({ totalElements: 0, content: [] });
    expect((await world.send("GET", tenant.path("production"), { token })).status).toBe(404);
    const role = { email: "x@example.com", role: "viewer", environment: "production", environmentRole: "admin" };
    await expect(setMember(world.services, tenant.slug, role)).rejects.toMatchObject({ kind: "notFound" });
  });

  test("a removed environment's slug is available only after its last cluster was deleted", async () => {
    await remove();
    await expect(remove()).rejects.toMatchObject({ kind: "notFound" });
    const again = () => createEnvironment(world.services, tenant.slug, { name: "Production", type: "other" });
    for (const name of ["a", "b", "c", "d", "e"]) {
      await expect(again()).rejects.toMatchObject({ kind: "conflict", retryAfterSeconds: 30 });
      expect(await finishEnvironment()).toBe(false);
      await finish(name);
      await expectInvariants(world.services, tenant.slug);
    }
    expect(await finishEnvironment()).toBe(true);
    await expectInvariants(world.services, tenant.slug);
    expect(await readChunks(world.table, tenant.slug, "production")).toEqual([]);
    expect(await finishEnvironment()).toBe(true);
    await again();
    await create("a");
    expect(await finishEnvironment()).toBe(true);
    expect(await namesIn(tenant.path())).toEqual(["a", "keep"]);
    const response = await send("POST", `${tenant.path("production", "b")}/undelete`);
    expect([response.status, response.body.details]).toEqual([409, [expect.stringMatching(/^environmentIdentity: /)]]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an environment with a cluster that is not deleting is not removed", async () => {
    await create("live");
    await expect(remove()).rejects.toMatchObject({ kind: "conflict" });
    expect(await namesIn(tenant.path("production"))).toHaveLength(6);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an environment is removed at once when its last cluster is deleted before the environment is hidden", async () => {
    const { services } = interrupted(async () => {
      for (const name of ["a", "b", "c", "d", "e"]) await finish(name);
      expect(await finishEnvironment()).toBe(true);
    });
    await remove(services);
    expect(await readChunks(world.table, tenant.slug, "production")).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("two concurrent workers complete the removal of an environment", async () => {
    await remove();
    for (const name of ["a", "b", "c", "d", "e"]) await finish(name);
    expect(await Promise.all([finishEnvironment(), finishEnvironment()])).toEqual([true, true]);
    await expectInvariants(world.services, tenant.slug);
  });
});

describe.each(["before", "after"] as const)("removing an environment whose calls fail (%s the call)", (fault) => {
  /** Fails each call of an operation in turn, on a stage of its own. @returns the number of calls */
  async function failEach(
    stage: () => Promise<void>,
    work: (services: World["services"]) => Promise<unknown>,
    expectWhole: () => Promise<void>,
  ): Promise<number> {
    const once = await makeWorld({ maxAttempts: 1 });
    world = once;
    for (let position = 0; ; position++) {
      tenant = await once.tenant();
      await stage();
      let calls = 0;
      once.wire.fault = () => (calls++ === position ? fault : undefined);
      const failure = await work(once.services).then(
        () => undefined,
        (error) => error,
      );
      once.wire.fault = () => undefined;
      if (failure !== undefined) expect(failure).toMatchObject({ kind: "unavailable" });
      await expectInvariants(once.services, tenant.slug);
      await work(once.services).catch((error) => expect(error).toMatchObject({ kind: "notFound" }));
      await expectInvariants(once.services, tenant.slug);
      await expectWhole();
      if (failure === undefined) return position;
    }
  }

  test("a failed removal leaves the environment hidden or unchanged, and repeating it hides the environment", async () => {
    const stage = async () => {
      await deleting("a");
    };
    const calls = await failEach(stage, remove, async () => {
      expect(await namesIn(tenant.path())).toEqual([]);
      expect(await clustersOf(world.services, tenant.slug)).toHaveLength(1);
    });
    expect(calls).toBe(2);
    world = await makeWorld({ pageIndex: { bucket: 2, chunk: 2 } });
  });

  test("a failed completion leaves the environment hidden or removed, and repeating it completes the removal", async () => {
    const stage = async () => {
      await deleting("a");
      await remove();
      await finish("a");
    };
    const calls = await failEach(stage, finishEnvironment, async () => {
      expect(await readChunks(world.table, tenant.slug, "production")).toEqual([]);
      expect(await createEnvironment(world.services, tenant.slug, { name: "production", type: "other" })).toBeDefined();
    });
    expect(calls).toBe(3);
    world = await makeWorld({ pageIndex: { bucket: 2, chunk: 2 } });
  });
});

describe("a cluster that arrives while its environment is removed", () => {
  test("creating a cluster in an environment that is removed after it was read is refused", async () => {
    await deleting("a");
    const other = interrupted(() => remove());
    const body = tenant.creation({ name: "late" });
    const response = await other.send("POST", tenant.path("production"), { token: tenant.admin, body });
    expect(response.status, response.text).toBe(404);
    expect((await clustersOf(world.services, tenant.slug)).map(({ slug }) => slug)).toEqual(["a"]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a move or an undelete into an environment that is being removed is refused", async () => {
    await deleting("a");
    await deleting("gone");
    await finish("gone");
    await create("late", "staging");
    const restoring = interrupted(() => remove());
    const restored = await restoring.send("POST", `${tenant.path("production", "gone")}/undelete`, {
      token: tenant.admin,
    });
    expect(restored.status, restored.text).toBe(404);
    await createEnvironment(world.services, tenant.slug, { name: "next", type: "other" });
    await deleting("b", "next");
    const moving = interrupted(() => removeEnvironment(world.services, tenant.slug, "next"));
    const moved = await moving.send("PATCH", tenant.path("staging", "late"), {
      token: tenant.admin,
      body: { environmentSlug: "next" },
    });
    expect(moved.status, moved.text).toBe(400);
    expect((await send("GET", tenant.path("staging", "late"))).status).toBe(200);
    await expectInvariants(world.services, tenant.slug);
  });

  test("an environment is not removed when a cluster arrived first", async () => {
    await deleting("a");
    const other = interrupted(async () => {
      await create("early");
    });
    await expect(remove(other.services)).rejects.toMatchObject({ kind: "conflict" });
    expect(await namesIn(tenant.path())).toEqual(["a", "early"]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("one of a concurrent removal and arrival of a cluster succeeds", async () => {
    for (let round = 0; round < 8; round++) {
      const environment = `race-${round}`;
      await createEnvironment(world.services, tenant.slug, { name: environment, type: "other" });
      await deleting("a", environment);
      const [removed, made] = await Promise.all([
        removeEnvironment(world.sibling().services, tenant.slug, environment).then(
          () => true,
          () => false,
        ),
        send("POST", tenant.path(environment), tenant.creation({ name: "b" })),
      ]);
      expect(made.status, made.text).toBe(removed ? 404 : 200);
      await expectInvariants(world.services, tenant.slug);
    }
  });
});
