import { expect, inject, test } from "vitest";
import { runAdmin } from "#test/support/admin.ts";
import { makeWorld } from "#test/support/world.ts";

test("the operator's command lists due clusters, shows a cluster, and forgets it only with --yes", async () => {
  const world = await makeWorld();
  const tenant = await world.tenant();
  const made = await world.send("POST", tenant.path("production"), { token: tenant.admin, body: tenant.creation() });
  const { identity } = made.body;
  const admin = async (...words: string[]) => {
    const environment = { DYNAMODB_ENDPOINT: inject("endpoint"), TABLE_NAME: world.table.name };
    const { code, stdout, stderr } = await runAdmin(environment, ...words);
    return { code, stderr, printed: /^[{[]/.test(stdout) ? JSON.parse(stdout) : stdout };
  };
  const path = ["--org", tenant.slug, "--env", "production", "--cluster", "one"];
  const [due, ahead, wrong, shown, kept, stranger, unknown] = await Promise.all([
    admin("due"),
    admin("due", "--within", "1.5"),
    admin("due", "--within", "soon"),
    admin("cluster", "show", ...path),
    admin("cluster", "forget", ...path),
    admin("cluster", "show", "--id", "4dd78818-1f3e-499f-a4a3-9b4784658b49"),
    admin("cluster", "forget", "--org", tenant.slug, "--yes"),
  ]);
  for (const { code, printed } of [due, ahead]) expect([code, printed]).toMatchObject([0, [{ identity, attempts: 0 }]]);
  expect(wrong).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^--within: "[^"]+" is not allowed: must be a number of minutes from 0 to 527040$/m),
  });
  expect(shown).toMatchObject({
    code: 0,
    printed: { identity, status: "new", nodePools: [], pointer: { attempts: 0 } },
  });
  // Not in parallel with the others: it moves the cluster that they read.
  const retried = await admin("cluster", "retry", "--id", identity);
  expect(retried).toMatchObject({ code: 0, printed: { identity } });
  expect(kept).toMatchObject({ code: 1, printed: { forgotten: false, leftBehind: { identity, region: "eu-west-1" } } });
  const missing = 'There is no cluster with the identity "4dd78818-1f3e-499f-a4a3-9b4784658b49".\n';
  expect(stranger).toMatchObject({ code: 1, stderr: missing });
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("Specify the cluster: --id") });

  const forgotten = await admin("cluster", "forget", "--id", identity, "--yes");
  expect(forgotten).toMatchObject({ code: 0, printed: { forgotten: true, leftBehind: { identity } } });
  expect((await world.send("GET", tenant.path("production", "one"), { token: tenant.admin })).status).toBe(404);
});
