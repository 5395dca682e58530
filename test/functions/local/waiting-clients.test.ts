/** Clients that wait on a running server: they disconnect, or the server stops. */

import { afterEach, expect, test } from "vitest";
import { cleanUp, type Server, script, start, temporary, until } from "#test/support/server.ts";

afterEach(cleanUp);

/** Starts a server with a cluster that remains new. */
async function startWithCluster(): Promise<Server> {
  const directory = temporary();
  const server = await start({ DATA_DIR: directory, SIMULATED_STEP_MS: "3600000" });
  const words = ["account", "list", "--org", "demo", "--provider", "aws", "--quiet"];
  const { exited, stdout, stderr } = script("admin", words, { DATA_DIR: directory });
  expect(await exited, stderr()).toBe(0);
  const body = JSON.stringify({
    name: "one",
    region: "eu-west-1",
    version: "v1.34.4-u-ame.2",
    cloudAccountIdentity: stdout().trim(),
    nodePools: [],
  });
  const response = await send(server, "", { method: "POST", body });
  expect(response.status, await response.clone().text()).toBe(200);
  return server;
}

const send = (server: Server, path: string, { headers, ...init }: RequestInit) =>
  fetch(`${server.url}/api/v1/orgs/demo/clusters/production${path}`, {
    ...init,
    headers: { authorization: `Token ${server.token}`, "content-type": "application/json", ...headers },
  });

const wait = (server: Server, seconds: number, signal?: AbortSignal) =>
  send(server, "/one?waitFor=status:stopped", {
    headers: { prefer: `wait=${seconds}` },
    ...(signal === undefined ? {} : { signal }),
  });

/** Sends one request more than may wait. @returns all requests, when a hundred wait and the other one has a response */
async function fill(server: Server, signal?: AbortSignal): Promise<Promise<Response>[]> {
  const waiting = Array.from({ length: 101 }, () => wait(server, 10, signal));
  expect((await Promise.race(waiting)).headers.get("retry-after")).toBe("5");
  return waiting;
}

test("a waiting client that disconnects frees its place", async () => {
  const server = await startWithCluster();
  const client = new AbortController();
  const waiting = await fill(server, client.signal);
  client.abort();
  const ended = await Promise.allSettled(waiting);
  expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(100);
  // The server notices it a moment later.
  await until(async () => (await wait(server, 1)).headers.get("retry-after") === null || undefined, 5_000);
  const again = Array.from({ length: 100 }, () => wait(server, 1));
  for (const { headers } of await Promise.all(again)) {
    expect([headers.get("preference-applied"), headers.get("retry-after")]).toEqual(["wait=1", null]);
  }
});

test("a stopping server answers waiting requests with the current cluster and Retry-After", async () => {
  const server = await startWithCluster();
  const waiting = await fill(server);
  server.signal("SIGTERM");
  for (const response of await Promise.all(waiting)) {
    expect([response.status, response.headers.get("retry-after")]).toEqual([200, "5"]);
    expect(await response.json()).toMatchObject({ slug: { slugValue: "one" } });
  }
  expect(await server.exited).toBe(0);
  expect(server.output()).not.toContain('"level":"error"');
});
