import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { canFollow, type DesiredStatus } from "#core/cluster/rules/transitions.ts";
import { isRunning } from "#functions/local/process-identity.ts";
import {
  cleanUp,
  engineOf,
  portForRestarts,
  type Server,
  script,
  start,
  temporary,
  until,
} from "#test/support/server.ts";
import type { Json } from "#test/support/world.ts";

afterEach(cleanUp);

/** `CRASH_ROUNDS` sets more rounds. */
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 4);

/**
 * Time until all clusters have converged, in milliseconds. A worker that the database does not answer, as on a busy machine, keeps its
 * lease for 45 s.
 */
const CONVERGENCE_MS = 120_000;

/** A round takes 2 s, and several times that on a busy machine. */
const LIMIT_MS = 90_000 + CONVERGENCE_MS + ROUNDS * 4_000;

const NAMES = ["a", "b", "c", "d", "e", "f"];
const VERSIONS = ["v1.34.3-u-ame.1", "v1.34.4-u-ame.1", "v1.34.4-u-ame.2"];
const PHASES: Record<string, string[]> = { starting: ["started"], stopping: ["stopped"] };

/** Last acknowledged state of a cluster; undefined if no cluster exists that is not deleting. */
interface Acknowledged {
  environment: "production" | "staging";
  identity: string;
  version: string;
  desired: DesiredStatus;
}

/** Sends requests for one name, one after the other, and remembers the acknowledged state. */
class User {
  last: Acknowledged | undefined;
  /** True if the response to the last request was lost, so that the request may have happened or not. */
  isUnsure = false;
  readonly name: string;
  writes = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Sends one random request. @returns false if the server ended */
  async act(send: Send, account: string): Promise<boolean> {
    const draw = Math.random();
    if (this.last === undefined) {
      const body = {
        name: this.name,
        region: "eu-west-1",
        version: VERSIONS[0],
        cloudAccountIdentity: account,
        nodePools: [{ name: "web", nodeSize: "t3.medium", minSize: 2 }],
      };
      return await this.write(send, "POST", "/production", body);
    }
    const path = `/${this.last.environment}/${this.name}`;
    if (draw < 0.3) return await this.write(send, "PATCH", path, { version: VERSIONS[Math.floor(Math.random() * 3)] });
    if (draw < 0.5) return await this.write(send, "PATCH", path, { status: "stopping" });
    if (draw < 0.65) return await this.write(send, "PATCH", path, { status: "starting" });
    if (draw < 0.85) {
      const newEnvironment = this.last.environment === "production" ? "staging" : "production";
      return await this.write(send, "POST", `/${this.name}/move`, {
        currentEnvironment: this.last.environment,
        newEnvironment,
      });
    }
    return await this.write(send, "PATCH", path, { status: "deleting" });
  }

  async write(send: Send, method: string, path: string, body: Json): Promise<boolean> {
    this.isUnsure = true;
    const response = await send(method, path, body);
    if (response === undefined) return false;
    this.isUnsure = false;
    if (response.status !== 200) return true;
    this.writes++;
    this.note(response.body);
    return true;
  }

  note(cluster: Json): void {
    const { identity, version, desiredStatus: desired } = cluster;
    const environment = cluster.environmentSlug.slugValue;
    this.last = desired === "deleting" ? undefined : { environment, identity, version, desired };
  }

  /** Asserts that the acknowledged state is stored. */
  async look(send: Send): Promise<void> {
    const found = [];
    for (const environment of ["production", "staging"]) {
      const response = await send("GET", `/${environment}/${this.name}`);
      if (response?.status === 200 && response.body.desiredStatus !== "deleting") found.push(response.body);
    }
    expect(found.length).toBeLessThanOrEqual(1);
    const [present] = found;
    if (!this.isUnsure) {
      const { environment, identity, version, desired } = this.last ?? {};
      const there = present && {
        environment: present.environmentSlug.slugValue,
        identity: present.identity,
        version: present.version,
        desired: present.desiredStatus,
      };
      expect(there).toEqual(this.last && { environment, identity, version, desired });
    }
    if (present === undefined) this.last = undefined;
    else this.note(present);
    this.isUnsure = false;
  }
}

/** Returns the number of writes that were acknowledged. */
const acknowledged = (users: readonly User[]): number => users.reduce((sum, { writes }) => sum + writes, 0);

type Send = (method: string, path: string, body?: Json) => Promise<{ status: number; body: Json } | undefined>;

/** @returns a sender that gives undefined if the server ended */
const sender =
  (server: Server): Send =>
  async (method, path, body) => {
    try {
      const response = await fetch(`${server.url}/api/v1/orgs/demo/clusters${path}`, {
        method,
        headers: { authorization: `Token ${server.token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
    } catch {
      return undefined;
    }
  };

/** Asserts that each state followed the one before it, once, by the state machine. */
async function expectLegal(send: Send, path: string): Promise<void> {
  const response = await send("GET", `${path}/events?size=100`);
  expect(response?.status).toBe(200);
  let [at, desired]: [string, DesiredStatus] = ["new", "starting"];
  for (const { changes } of response?.body.content.toReversed() ?? []) {
    const asked = changes.find((change: Json) => change.path === "desiredStatus");
    if (asked !== undefined) desired = asked.to;
    const change = changes.find((each: Json) => each.path === "status");
    if (change === undefined) continue;
    expect(change.from).toBe(at);
    expect([change, asked !== undefined || canFollow(change.from, change.to, desired)]).toEqual([change, true]);
    at = change.to;
  }
}

test(`a server that is killed ${ROUNDS} times at random moments loses no acknowledged write, and every cluster converges`, {
  timeout: LIMIT_MS,
}, async () => {
  const DATA_DIR = temporary();
  // On the same port the issuer keeps its URL, and so each registration its issuer.
  const PORT = `${await portForRestarts()}`;
  const environment = { DATA_DIR, PORT, SIMULATED_STEP_MS: "30", LOG_LEVEL: "warn" };
  const users = NAMES.map((name) => new User(name));
  let account = "";
  for (let round = 0; round < ROUNDS; round++) {
    const server = await start(environment);
    const send = sender(server);
    if (account === "") {
      const { exited, stdout } = script(
        "admin",
        ["account", "list", "--org", "demo", "--provider", "aws", "--quiet"],
        environment,
      );
      await exited;
      account = stdout().trim();
    }
    await Promise.all(users.map((user) => user.look(send)));
    const before = acknowledged(users);
    const acting = users.map(async (user) => {
      while (await user.act(send, account)) await sleep(Math.random() * 60);
    });
    await sleep(100 + Math.random() * 500);
    // A busy machine may not complete a write in this time.
    await until(() => acknowledged(users) > before || undefined);
    const engine = engineOf(DATA_DIR);
    server.signalServer("SIGKILL");
    // Every second time the engine too, as in a power failure.
    if (round % 2 === 1 && isRunning(engine)) process.kill(engine.pid, "SIGKILL");
    await Promise.all([...acting, server.exited]);
  }
  const server = await start(environment);
  const send = sender(server);
  await Promise.all(users.map((user) => user.look(send)));
  const settled = async () => {
    const { body } = (await send("GET", "?pageSize=100")) ?? {};
    const isSettled = body.content.every(
      (each: Json) => PHASES[each.desiredStatus]?.includes(each.status) && each.provisionStatus === "DONE",
    );
    return isSettled ? body.content : undefined;
  };
  const clusters = await until(settled, CONVERGENCE_MS);
  expect(clusters.length).toBe(users.filter(({ last }) => last !== undefined).length);
  for (const each of clusters) await expectLegal(send, `/${each.environmentSlug.slugValue}/${each.slug.slugValue}`);
  const { exited, stdout } = script("admin", ["index", "check"], environment);
  expect(await exited, stdout()).toBe(0);
  expect(acknowledged(users)).toBeGreaterThanOrEqual(ROUNDS);
  server.signal("SIGTERM");
  expect(await server.exited).toBe(0);
});
