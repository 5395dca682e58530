import { afterEach, beforeEach, expect, test } from "vitest";
import { createLocalApp } from "#functions/local/app.ts";
import { limitWrites } from "#functions/local/request-priority.ts";
import { readConfig } from "#functions/runtime/config.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { makeWorld, type Tenant, type World } from "#test/support/world.ts";

/** Time that does not pass in a test. */
const LONG_MS = 600_000;

let world: World;
let tenant: Tenant;
let started: string[];
let send: (method: string, name: string | undefined, body?: string | ReadableStream) => Promise<Response>;

beforeEach(async () => {
  world = await makeWorld();
  tenant = await world.tenant();
  started = [];
  const limit = limitWrites(1, LONG_MS);
  const app = createLocalApp({
    services: world.services,
    log: createLogger("silent"),
    config: readConfig({}),
    keyring: world.keyring,
    ready: async () => true,
    writes: {
      run: (work) =>
        limit.run(() => {
          started.push("write");
          return work();
        }),
    },
  });
  send = async (method, name, body) => {
    const headers = { authorization: `Token ${tenant.admin}`, "content-type": "application/json" };
    const init = { method, headers, ...(body === undefined ? {} : { body, duplex: "half" as const }) };
    return await app.request(tenant.path("production", name), init, {});
  };
});

let endBody: (() => void) | undefined;
afterEach(() => endBody?.());

const creation = (name: string) => JSON.stringify(tenant.creation({ name }));

test("requests that write are limited, and requests that read are not", async () => {
  expect((await send("POST", undefined, creation("one"))).status).toBe(200);
  expect((await send("GET", "one")).status).toBe(200);
  expect((await send("PATCH", "one", '{"description":"changed"}')).status).toBe(200);
  expect((await send("GET", undefined)).status).toBe(200);
  expect(started).toHaveLength(2);
});

test("a request whose body is incomplete keeps no other request waiting", async () => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"name":'));
      endBody = () => controller.close();
    },
  });
  const slow = send("POST", undefined, body);
  expect((await send("POST", undefined, creation("one"))).status).toBe(200);
  expect(started).toHaveLength(1);
  endBody?.();
  endBody = undefined;
  expect((await slow).status).toBe(400);
});
