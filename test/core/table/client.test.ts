import { randomUUID } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, describe, inject, test } from "vitest";
import { WRITE_TIMEOUT_MS } from "#core/shared/retry.ts";
import { makeWorld, worldOn } from "#test/support/world.ts";

const servers: Server[] = [];

afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Server in place of the database. */
async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const silent: RequestListener = () => {};

const stalling: RequestListener = (_, response) => {
  response.writeHead(200, { "content-type": "application/x-amz-json-1.0", "content-length": "100" });
  response.write("{");
};

/** The engine, but writes get no response, and other calls only at the last retry. */
const ailing: RequestListener = async (request, response) => {
  const isLast = String(request.headers["amz-sdk-request"]).startsWith("attempt=4");
  if (!isLast || String(request.headers["x-amz-target"]).endsWith("TransactWriteItems")) return;
  const names = ["authorization", "content-type", "x-amz-date", "x-amz-target"];
  const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name])]));
  const answer = await fetch(inject("endpoint"), { method: "POST", headers, body: await buffer(request) });
  response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.0" });
  response.end(Buffer.from(await answer.arrayBuffer()));
};

describe.concurrent("a request to a database that does not answer", () => {
  test.for([
    ["a silent database", silent],
    ["a database that stalls in the middle of a response", stalling],
  ] as const)("%s causes a 503 within nearly half of the write timeout", async ([_, answer], { expect }) => {
    const world = await makeWorld();
    const tenant = await world.tenant();
    const dead = worldOn(`dead-${randomUUID()}`, { endpoint: await listen(answer) }, new Set());
    const start = performance.now();
    const { status, headers } = await dead.send("GET", tenant.path("production"), { token: tenant.admin });
    expect(performance.now() - start).toBeLessThan(WRITE_TIMEOUT_MS / 2 + 1_500);
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
  });

  test("a write without a response causes a 503 in about that time, also when reads barely succeed", async ({
    expect,
  }) => {
    const world = await makeWorld();
    const tenant = await world.tenant();
    const sick = worldOn(world.table.name, { endpoint: await listen(ailing) }, new Set());
    const start = performance.now();
    const { status } = await sick.send("POST", tenant.path("production"), {
      token: tenant.admin,
      body: tenant.creation(),
    });
    expect(performance.now() - start).toBeLessThan(WRITE_TIMEOUT_MS + 2_000);
    expect(status).toBe(503);
  });
});
