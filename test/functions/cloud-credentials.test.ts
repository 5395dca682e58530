import { createHash, randomUUID } from "node:crypto";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exportTable } from "#core/admin/backup/export.ts";
import { simulatedTraits } from "#core/provisioning/simulated/traits.ts";
import { storedResponseEntity } from "#core/request/idempotency.ts";
import { readCredentials } from "#core/secrets/cloud-secrets.ts";
import type { Keyring } from "#core/secrets/keyring.ts";
import { createLocalKeyring, createMemoryKeyStore } from "#core/secrets/local-keyring.ts";
import { unavailable } from "#core/shared/errors.ts";
import { CLOUD_SECRET_PREFIX, organisationKey } from "#core/table/keys.ts";
import { finishDeletion } from "#test/support/deletion.ts";
import { expectError } from "#test/support/errors.ts";
import { interrupt } from "#test/support/faults.ts";
import { clustersOf, expectInvariants, organisationEventsOf } from "#test/support/invariants.ts";
import { addKnownSecrets, expectNoSecrets } from "#test/support/secrets.ts";
import { type Json, makeWorld, type Tenant, type World } from "#test/support/world.ts";

let world: World;
let tenant: Tenant;
const profiles: Record<string, string> = {};

beforeAll(async () => {
  world = await makeWorld();
  const { admin, slug } = await world.tenant();
  const list = await world.send("GET", `/api/v1/orgs/${slug}/cloud-profiles`, { token: admin });
  for (const { cloudProvider, identity } of list.body.content) profiles[cloudProvider] = identity;
});

beforeEach(async () => {
  tenant = await world.tenant();
});

const path = (account = tenant.account.identity, ...rest: string[]) =>
  [`/api/v1/orgs/${tenant.slug}/cloud-accounts/${account}/credentials`, ...rest].join("/");
const main = () => tenant.account.primaryCloudCredentialsIdentity ?? "";
const send = (method: string, to: string, body?: unknown, headers: Record<string, string> = {}, by = world) =>
  by.send(method, to, { token: tenant.admin, body, headers });
const get = (to: string, headers: Record<string, string> = {}) => send("GET", to, undefined, headers);

/** Sends a request that must succeed. */
async function ok(method: string, to: string, body?: unknown): Promise<Json> {
  const response = await send(method, to, body);
  expect(response.status, response.text).toBeLessThan(205);
  return response.body;
}

/** Makes a secret that every later response and log line is searched for. */
function secret(): string {
  const made = `secret-${randomUUID()}`;
  addKnownSecrets(made);
  return made;
}
const aws = () => ({ accessKeyId: secret(), accessKeySecret: secret() });
const read = (identity: string) => readCredentials(world.table, world.keyring, tenant.slug, identity);
const accountOf = async () => (await get(`/api/v1/orgs/${tenant.slug}/cloud-accounts/${tenant.account.identity}`)).body;
const lastEvent = async () => (await organisationEventsOf(world.services, tenant.slug)).at(-1);
const storedSecrets = () => world.table.query({ pk: organisationKey(tenant.slug).pk, prefix: CLOUD_SECRET_PREFIX });

/** Secrets of each type of provider. */
const TYPES: [type: string, names: string[], optional: string[]][] = [
  ["aws", ["accessKeyId", "accessKeySecret"], []],
  ["azure", ["clientId", "clientSecret", "subscriptionId", "tenantId"], []],
  ["digitalocean", ["apiKey"], []],
  ["hetzner", ["apiKey"], []],
  ["openstack", ["credentialId", "credential"], []],
  ["vsphere", ["username", "password"], ["provisionUsername", "provisionPassword"]],
];
const valuesOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, secret()]));

async function createAccount(type: string): Promise<string> {
  const body = { displayName: "New", cloudProfile: profiles[type], metadata: {} };
  return (await ok("POST", `/api/v1/orgs/${tenant.slug}/cloud-accounts`, body)).identity;
}

describe.each(TYPES)("credentials of the type %s", (type, names, optional) => {
  test("they are created with what the type needs, and only the provisioner can read them", async () => {
    const account = await createAccount(type);
    const credentials = valuesOf([...names, ...optional]);
    const metadata = { owner: "team é" };
    const response = await send("POST", path(account, type), { displayName: "New & shiny", credentials, metadata });
    expect(response.status, response.text).toBe(200);
    const { identity, createdAt } = response.body;
    expect(response.body).toEqual({
      cloudAccountIdentity: account,
      cloudType: type,
      createdAt,
      displayName: "New & shiny",
      identity,
      isPrimary: true,
      metadata,
    });
    expect(response.headers.get("location")).toBe(`http://localhost${path(account, identity)}`);
    const found = await get(path(account, identity));
    expect([found.body, found.headers.get("etag")]).toEqual([response.body, response.headers.get("etag")]);
    expect((await get(path(account))).body.content).toEqual([response.body]);
    expect(await read(identity)).toEqual(credentials);
    expect((await lastEvent())?.changes).toEqual([
      {
        path: `cloudAccounts[${account}].credentials[${identity}]`,
        to: { displayName: "New & shiny", cloudType: type, metadata },
      },
    ]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("each missing, empty or wrong secret is named, and no value is shown", async () => {
    const account = await createAccount(type);
    const body = (credentials: unknown) => ({ displayName: "New", credentials });
    const all = valuesOf(names);
    for (const name of names) {
      for (const value of [undefined, null, "", 7_777_777, true, [secret()], { a: secret() }, `\ud800${secret()}`]) {
        const refused = await send("POST", path(account, type), body({ ...all, [name]: value }));
        expectError(refused, 400, new RegExp(`^credentials\\.${name}: (is required|must)`));
        expect(refused.text).not.toContain("7777777");
      }
      const long = secret() + "x".repeat(2_000);
      expectError(
        await send("POST", path(account, type), body({ ...all, [name]: long })),
        400,
        new RegExp(`^credentials\\.${name}: must have at most 2000 characters$`),
      );
    }
    for (const wrong of [undefined, null, secret(), [secret()], 5_555_555]) {
      const refused = await send("POST", path(account, type), body(wrong));
      expectError(refused, 400, /^credentials: (is required|must be an object)/);
      expect(refused.text).not.toContain("5555555");
    }
    const unknown = await send("POST", path(account, type), body({ ...all, other: secret() }), {
      prefer: "handling=strict",
    });
    expectError(unknown, 400, /^credentials\.other: unknown property/);
    expect(await storedSecrets()).toEqual([]);
    expect((await get(path(account))).body.content).toEqual([]);
  });
});

describe("creating credentials", () => {
  test("all problems are reported at once, and a body that is no object is not shown", async () => {
    const body = { displayName: "a_b", credentials: { accessKeyId: 7 }, metadata: { "a b": "c" } };
    const response = await send("POST", `${path(undefined, "aws")}?dryRun=maybe`, body);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]).toSorted();
    const expected = [
      "credentials.accessKeyId",
      "credentials.accessKeySecret",
      "displayName",
      "dryRun",
      "metadata.a b",
    ];
    expect([response.status, paths]).toEqual([400, expected]);
    for (const whole of [secret(), [secret()], [[{ accessKeySecret: secret() }]]]) {
      expectError(await send("POST", path(undefined, "aws"), whole), 400, /^The body must be an object/);
    }
    const text = await world.send("POST", path(undefined, "aws"), { token: tenant.admin, raw: `{"a":"${secret()}"` });
    expectError(text, 400, /not JSON/);
  });

  test("a secret in a wrong property is named by its path, and not shown", async () => {
    const credentials = aws();
    for (const [wrong, at] of [
      [{ displayName: `${secret()}/` }, "displayName"],
      [{ displayName: [secret()] }, "displayName"],
      [{ displayName: "N", metadata: secret() }, "metadata"],
      [{ displayName: "N", metadata: { accessKeySecret: secret() + "x".repeat(160) } }, "metadata.accessKeySecret"],
    ] as const) {
      const creation = await send("POST", path(undefined, "aws"), { ...wrong, credentials });
      expectError(creation, 400, new RegExp(`^${at}: must `));
      expectError(await send("PUT", path(undefined, main()), wrong), 400, new RegExp(`^${at}: must `));
    }
  });

  test("the type in the path is the type of the account's profile", async () => {
    const credentials = valuesOf(["clientId", "clientSecret", "subscriptionId", "tenantId"]);
    const body = { displayName: "New", credentials };
    expectError(await send("POST", path(undefined, "azure"), body), 400, /^cloudType: "azure" .* must be aws/);
    for (const type of ["byon", "none", "AWS", "__proto__", "x"]) {
      const refused = await send("POST", path(undefined, type), { displayName: "New", credentials: aws() });
      expectError(refused, 400, /^cloudType: .* must be one of aws, azure, digitalocean/);
    }
    const byon = await send("POST", path(tenant.byonAccount.identity, "byon"), { displayName: "N", credentials: {} });
    expectError(byon, 400, /^cloudType: "byon" is not allowed: accounts of .* have no credentials/);
  });

  test("the provisioning user of vSphere is given whole or not at all; empty texts count as absent", async () => {
    const account = await createAccount("vsphere");
    const needed = valuesOf(["username", "password"]);
    const half = { displayName: "New", credentials: { ...needed, provisionUsername: secret(), provisionPassword: "" } };
    expectError(
      await send("POST", path(account, "vsphere"), half),
      400,
      /^credentials\.provisionPassword: is required/,
    );
    const blank = { ...needed, provisionUsername: "", provisionPassword: "" };
    const { identity } = await ok("POST", path(account, "vsphere"), { displayName: "New", credentials: blank });
    expect(await read(identity)).toEqual(needed);
  });

  test("an account has at most ten credentials, also when they are created concurrently", async () => {
    for (let count = 1; count < 9; count++)
      await ok("POST", path(undefined, "aws"), { displayName: "N", credentials: aws() });
    const body = { displayName: "N", credentials: aws() };
    const all = await Promise.all(
      Array.from({ length: 3 }, () => send("POST", path(undefined, "aws"), body, {}, world.sibling())),
    );
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    expect(await storedSecrets()).toHaveLength(9);
    await expectInvariants(world.services, tenant.slug);
  });

  test("while the key service cannot be reached, nothing is written", async () => {
    const keyring: Keyring = {
      ...createLocalKeyring(createMemoryKeyStore()),
      generate: async () => {
        throw unavailable("kms.unavailable", "The key service is unavailable.");
      },
    };
    const broken = await makeWorld({ keyring });
    const there = await broken.tenant();
    const to = `/api/v1/orgs/${there.slug}/cloud-accounts/${there.account.identity}/credentials`;
    const body = { displayName: "N", credentials: aws() };
    const response = await broken.send("POST", `${to}/aws`, { token: there.admin, body });
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await broken.send("GET", to, { token: there.admin })).body.totalElements).toBe(1);
    // A dry run needs no key.
    expect((await broken.send("POST", `${to}/aws?dryRun=true`, { token: there.admin, body })).status).toBe(200);
  });
});

describe("primary credentials", () => {
  test("the first ones are primary; after their deletion the oldest remaining ones are", async () => {
    const account = await createAccount("hetzner");
    const created = [];
    for (const displayName of ["one", "two", "three"]) {
      created.push(await ok("POST", path(account, "hetzner"), { displayName, credentials: { apiKey: secret() } }));
    }
    const [one, two, three] = created;
    const primary = async () =>
      (await get(`/api/v1/orgs/${tenant.slug}/cloud-accounts/${account}`)).body.primaryCloudCredentialsIdentity;
    expect(created.map(({ isPrimary }) => isPrimary)).toEqual([true, false, false]);
    expect((await send("DELETE", path(account, three.identity))).status).toBe(204);
    expect(await primary()).toBe(one.identity);
    const again = await ok("POST", path(account, "hetzner"), {
      displayName: "four",
      credentials: { apiKey: secret() },
    });
    expect((await send("DELETE", path(account, one.identity))).status).toBe(204);
    expect(await primary()).toBe(two.identity);
    await ok("PATCH", `/api/v1/orgs/${tenant.slug}/cloud-accounts/${account}`, {
      primaryCloudCredentials: again.identity,
    });
    expect((await get(path(account))).body.content.map(({ isPrimary }: Json) => isPrimary)).toEqual([false, true]);
    for (const { identity } of [again, two]) expect((await send("DELETE", path(account, identity))).status).toBe(204);
    expect(await primary()).toBeUndefined();
    expect(await storedSecrets()).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a cluster whose credentials are deleted uses the primary ones, and its entity tag changes each time", async () => {
    const { identity } = await ok("POST", path(undefined, "aws"), { displayName: "other", credentials: aws() });
    await ok("POST", tenant.path("production"), tenant.creation());
    const cluster = tenant.path("production", "one");
    await ok("PATCH", cluster, { cloudCredentialsIdentity: identity });
    // Their revision rises, as those of credentials that are rotated often do.
    for (let times = 0; times < 3; times++) await ok("PUT", path(undefined, identity), { credentials: aws() });
    const tags = new Set([(await get(cluster)).headers.get("etag")]);
    const account = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${tenant.account.identity}`;
    await ok("PATCH", account, { primaryCloudCredentials: identity });
    tags.add((await get(cluster)).headers.get("etag"));
    await ok("PATCH", account, { primaryCloudCredentials: main() });
    tags.add((await get(cluster)).headers.get("etag"));
    expect((await send("DELETE", path(undefined, identity))).status).toBe(204);
    const shown = await get(cluster);
    tags.add(shown.headers.get("etag"));
    expect(tags.size).toBe(4);
    expect(shown.body.cloudCredentials).toMatchObject({ identity: main(), isPrimary: true });
  });

  test("the last credentials are kept while clusters of the account need some", async () => {
    const needing = await makeWorld({ provisioner: { ...simulatedTraits, needsCredentials: () => true } });
    const there = await needing.tenant();
    const ask = (method: string, to: string, body?: unknown) => needing.send(method, to, { token: there.admin, body });
    expect((await ask("POST", there.path("production"), there.creation())).status).toBe(200);
    const { identity, primaryCloudCredentialsIdentity } = there.account;
    const to = `/api/v1/orgs/${there.slug}/cloud-accounts/${identity}/credentials`;
    const last = () => ask("DELETE", `${to}/${primaryCloudCredentialsIdentity}`);
    expectError(await last(), 409, /only credentials of the cloud account "AWS", which is used by 1 cluster/);
    expect((await ask("PATCH", there.path("production", "one"), { status: "deleting" })).status).toBe(200);
    expectError(await last(), 409, /which is used by 1 cluster, which is still being deleted; create other/);
    await expectInvariants(needing.services, there.slug);
    expect((await ask("POST", `${to}/aws`, { displayName: "New", credentials: aws() })).status).toBe(200);
    expect((await last()).status).toBe(204);
  });

  describe("the last credentials and clusters that need some", () => {
    let needing: World;
    let there: Tenant;
    let to: string;
    const ask = (method: string, at: string, body?: unknown, by = needing) =>
      by.send(method, at, { token: there.admin, body });
    const removeLast = (by = needing) =>
      ask("DELETE", `${to}/${there.account.primaryCloudCredentialsIdentity}`, undefined, by);
    const create = (by = needing) => ask("POST", there.path("production"), there.creation(), by);
    const NONE = /^cloudAccountIdentity: .* has no primary credentials/;

    beforeAll(async () => {
      needing = await makeWorld({ provisioner: { ...simulatedTraits, needsCredentials: () => true } });
    });
    beforeEach(async () => {
      there = await needing.tenant();
      to = `/api/v1/orgs/${there.slug}/cloud-accounts/${there.account.identity}/credentials`;
    });
    afterEach(() => expectInvariants(needing.services, there.slug));

    test("a creation that was decided before the last credentials were deleted is refused", async () => {
      const slow = needing.sibling();
      interrupt(slow.table, async () => {
        expect((await removeLast()).status).toBe(204);
      });
      expectError(await create(slow), 400, NONE);
      expect(await clustersOf(needing.services, there.slug)).toEqual([]);
      // New credentials allow creations again.
      expect((await ask("POST", `${to}/aws`, { displayName: "New", credentials: aws() })).status).toBe(200);
      expect((await create()).status).toBe(200);
    });

    test("a deletion of the last credentials that was decided before a cluster was created is refused", async () => {
      const slow = needing.sibling();
      interrupt(slow.table, async () => {
        expect((await create()).status).toBe(200);
      });
      expectError(await removeLast(slow), 409, /used by 1 cluster; create other credentials first/);
    });

    test("a restoration that was decided before the last credentials were deleted, or comes after it, is refused", async () => {
      const one = there.path("production", "one");
      expect((await create()).status).toBe(200);
      expect((await ask("PATCH", one, { status: "deleting" })).status).toBe(200);
      await finishDeletion(needing.services, there.slug, "production", "one");
      const slow = needing.sibling();
      interrupt(slow.table, async () => {
        expect((await removeLast()).status).toBe(204);
      });
      for (const by of [slow, needing]) expectError(await ask("POST", `${one}/undelete`, {}, by), 409, NONE);
    });

    test("concurrent creations and deletions of the last credentials never leave a cluster without credentials", async () => {
      for (let round = 0; round < 6; round++) {
        there = await needing.tenant();
        to = `/api/v1/orgs/${there.slug}/cloud-accounts/${there.account.identity}/credentials`;
        const [removed, created] = await Promise.all([removeLast(needing.sibling()), create(needing.sibling())]);
        expect(["204 400", "409 200"]).toContain(`${removed.status} ${created.status}`);
      }
    });
  });

  test("with a provisioner that needs none, the last credentials can be deleted, and clusters are created without", async () => {
    await ok("POST", tenant.path("production"), tenant.creation());
    expect((await send("DELETE", path(undefined, main()))).status).toBe(204);
    await ok("POST", tenant.path("production"), tenant.creation({ name: "two" }));
    await expectInvariants(world.services, tenant.slug);
  });
});

describe("changing credentials", () => {
  test("new secrets replace all old ones; the identity and every cluster stay as they are", async () => {
    await ok("POST", tenant.path("production"), tenant.creation());
    const clusters = await clustersOf(world.services, tenant.slug);
    const before = await get(path(undefined, main()));
    expect(await read(main())).toBeUndefined();
    for (const credentials of [aws(), aws()]) {
      const [stored] = await storedSecrets();
      const response = await send("PUT", path(undefined, main()), { credentials });
      expect([response.status, response.body], response.text).toEqual([200, before.body]);
      expect(response.headers.get("etag")).not.toBe(before.headers.get("etag"));
      expect(await read(main())).toEqual(credentials);
      const now = await storedSecrets();
      expect(now).toHaveLength(1);
      expect(now[0]).not.toEqual(stored);
    }
    expect(await clustersOf(world.services, tenant.slug)).toEqual(clusters);
    const at = `cloudAccounts[${tenant.account.identity}].credentials[${main()}].credentials`;
    expect(await lastEvent()).toMatchObject({ type: "cloud-credentials.updated", changes: [{ path: at }] });
    expect(Object.keys((await lastEvent())?.changes[0] ?? {})).toEqual(["path"]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("a change without secrets keeps them, and a change to the present values writes nothing", async () => {
    const credentials = aws();
    await ok("PUT", path(undefined, main()), { credentials });
    const [stored] = await storedSecrets();
    const metadata = { a: "1" };
    expect(await ok("PUT", path(undefined, main()), { displayName: "Other", metadata })).toMatchObject({ metadata });
    const before = await get(path(undefined, main()));
    world.wire.spans.length = 0;
    expect(await ok("PUT", path(undefined, main()), { displayName: "Other", metadata, credentials: null })).toEqual(
      before.body,
    );
    expect(world.wire.spans.map(({ operation }) => operation)).toEqual(["BatchGetItem"]);
    expect(await storedSecrets()).toEqual([stored]);
    expect(await read(main())).toEqual(credentials);
  });

  test("all problems are reported at once, and nothing changes", async () => {
    const kept = aws();
    await ok("PUT", path(undefined, main()), { credentials: kept });
    const body = { displayName: "", credentials: { accessKeyId: secret() }, metadata: { a: 1 } };
    const response = await send("PUT", path(undefined, main()), body);
    const paths = response.body.details.map((detail: string) => detail.split(": ")[0]).toSorted();
    expect([response.status, paths]).toEqual([400, ["credentials.accessKeySecret", "displayName", "metadata.a"]]);
    expect(await read(main())).toEqual(kept);
  });

  test("If-Match names the revision, and a replaced secret makes an old tag stale", async () => {
    const tag = (await get(path(undefined, main()))).headers.get("etag") ?? "";
    expect((await get(path(undefined, main()), { "if-none-match": tag })).status).toBe(304);
    expect((await send("PUT", path(undefined, main()), { credentials: aws() }, { "if-match": tag })).status).toBe(200);
    for (const [method, body] of [["PUT", { credentials: aws() }] as const, ["DELETE", undefined] as const]) {
      const refused = await send(method, path(undefined, main()), body, { "if-match": tag });
      expectError(refused, 412, /If-Match/);
    }
  });

  test("missing credentials, and those of another account, are not found", async () => {
    const { identity } = await ok("POST", path(undefined, "aws"), { displayName: "N", credentials: aws() });
    const other = await createAccount("azure");
    for (const [account, last] of [
      [other, identity],
      [tenant.account.identity, randomUUID()],
      [tenant.account.identity, "aws"],
    ] as const) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const body = method === "PUT" ? { credentials: aws() } : undefined;
        expectError(await send(method, path(account, last), body), 404, /no cloud credentials/);
      }
    }
    expect((await get(path(undefined, identity.toUpperCase()))).body.identity).toBe(identity);
  });
});

describe("stored secrets", () => {
  test("a secret is nowhere in plain text: not in the table, in events, in records of retries or in a backup", async () => {
    const [created, rotated] = [aws(), aws()];
    const headers = { "idempotency-key": "once" };
    const body = { displayName: "N", credentials: { ...created, other: secret() } };
    const first = await send("POST", path(undefined, "aws"), body, headers);
    expect((await send("POST", path(undefined, "aws"), body, headers)).text).toBe(first.text);
    await ok("PUT", path(undefined, first.body.identity), { credentials: rotated });
    const lines: string[] = [];
    await exportTable(world.services, async (each) => {
      for await (const line of each) lines.push(line);
    });
    const backup = lines.join("\n");
    expect(backup).toContain(first.body.identity);
    expectNoSecrets(backup, "the backup");
    for (const value of [...Object.values(created), ...Object.values(rotated)]) {
      for (const form of ["base64", "base64url", "hex"] as const) {
        expect(backup).not.toContain(Buffer.from(value).toString(form).slice(0, 24));
      }
    }
    for await (const item of world.table.scan()) expectNoSecrets(JSON.stringify(item), "an item");
    expect(await read(first.body.identity)).toEqual(rotated);
  });

  test("the record of a retry does not let a reader of the table guess the secret", async () => {
    const key = "a key that everybody knows";
    const body = {
      displayName: "N",
      credentials: { accessKeyId: "guessable-id", accessKeySecret: "guessable-secret" },
    };
    const to = path(undefined, "aws");
    const sent = { token: tenant.admin, body, headers: { "idempotency-key": key } };
    expect((await world.send("POST", to, sent)).status).toBe(200);
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    const guess = ["POST", to, "", sha256(JSON.stringify(body))].join("\n");
    const hashes: string[] = [];
    for await (const item of world.table.scan()) {
      if (item.entity === storedResponseEntity.name && item.pk.includes(sha256(key))) {
        hashes.push(storedResponseEntity.read(item).fingerprint);
      }
    }
    expect(hashes).toHaveLength(1);
    expect(hashes[0]).not.toBe(sha256(guess));
    // Other requests still differ from it.
    const other = { ...body, credentials: { ...body.credentials, accessKeySecret: "other" } };
    expectError(await world.send("POST", to, { ...sent, body: other }), 422, /used for another request/);
  });

  test("the deletion of an account deletes its secrets", async () => {
    await ok("PUT", path(undefined, main()), { credentials: aws() });
    await ok("POST", path(undefined, "aws"), { displayName: "N", credentials: aws() });
    expect(await storedSecrets()).toHaveLength(2);
    const account = `/api/v1/orgs/${tenant.slug}/cloud-accounts/${tenant.account.identity}`;
    expect((await send("DELETE", account)).status).toBe(204);
    expect(await storedSecrets()).toEqual([]);
    await expectInvariants(world.services, tenant.slug);
  });

  test("concurrent rotations leave secrets of one request, never a mixture", async () => {
    const all = Array.from({ length: 6 }, aws);
    const responses = await Promise.all(
      all.map((credentials) => send("PUT", path(undefined, main()), { credentials }, {}, world.sibling())),
    );
    expect(responses.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(all).toContainEqual(await read(main()));
    expect((await accountOf()).primaryCloudCredentialsIdentity).toBe(main());
  });
});
