/** Calls that run at the same time: after the first failure no other one begins. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { createKubernetesClient } from "#core/kubernetes/client.ts";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import { applyObjects } from "#core/provisioning/cluster-api/apply.ts";
import { runTogether } from "#core/provisioning/cluster-api/calls.ts";
import { type KubernetesServer, startKubernetesServer } from "#test/support/kubernetes-server.ts";

let server: KubernetesServer;
let client: KubernetesClient;

beforeAll(async () => {
  server = await startKubernetesServer();
  // A fifth of the calls in flight may write objects of one kind.
  client = createKubernetesClient(server.kubeconfig(), { clock: () => new Date(), maxInFlight: 10 });
});
afterAll(async () => {
  client.close();
  await server.stop();
});

const namespaces = (count: number) =>
  Array.from({ length: count }, (_, position) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: `together-${position}` },
  }));

test("after a refused apply no other apply begins, also none that waits in the queue or for Retry-After", async () => {
  server.fault = ({ path }) => {
    if (path.endsWith("/together-0")) return { type: "throttle", seconds: 1 };
    return path.endsWith("/together-1") ? { type: "status", status: 403, reason: "Forbidden" } : undefined;
  };
  const { signal } = new AbortController();
  await expect(applyObjects({ client, signal }, namespaces(20))).rejects.toMatchObject({ status: 403 });
  const { length } = server.calls;
  expect(length).toBeLessThanOrEqual(3);
  server.fault = () => undefined;
  await new Promise((done) => setTimeout(done, 1_300));
  expect(server.calls).toHaveLength(length);
  // The aborted calls do not occupy the client.
  await applyObjects({ client, signal }, namespaces(3));
});

test("results have the order of the tasks, and the error is the first one, thrown after all tasks have ended", async () => {
  const call = { client, signal: new AbortController().signal };
  const { promise, resolve } = Promise.withResolvers<string>();
  const both = runTogether(call, [() => promise, async () => "second"]);
  resolve("first");
  expect(await both).toEqual(["first", "second"]);

  let hasEnded = false;
  const slow = async (): Promise<void> => {
    await new Promise((done) => setTimeout(done, 50));
    hasEnded = true;
    throw new Error("later");
  };
  await expect(runTogether(call, [slow, () => Promise.reject(new Error("sooner"))])).rejects.toThrow("sooner");
  expect(hasEnded).toBe(true);
});
