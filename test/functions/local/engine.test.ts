import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, inject, onTestFinished, test, vi } from "vitest";
import { openDataDirectory } from "#functions/local/data-directory.ts";
import { startEngine } from "#functions/local/engine.ts";
import { identify, isRunning, type ProcessIdentity } from "#functions/local/process-identity.ts";
import setup from "../../support/global-setup.ts";

const onLinux = process.platform === "linux";
const generous = { timeout: 30_000, interval: 20 };

/** Creates a directory for the test; engines that still run on it afterwards are killed. */
function temporaryDirectory(): string {
  const parent = mkdtempSync(join(tmpdir(), "ame-engine-"));
  onTestFinished(() => {
    for (const pid of enginesOn(parent)) killIfThere(pid);
    rmSync(parent, { recursive: true, force: true, maxRetries: 5 });
  });
  return join(parent, "data");
}

/** Lists the processes that have a path in this directory after `--db-path` among their arguments. */
function enginesOn(directory: string): number[] {
  const running = onLinux ? commandLinesFromProc() : commandLinesFromPs();
  return running.filter(([pid, line]) => line.includes(`--db-path ${directory}`) && isThere(pid)).map(([pid]) => pid);
}

function commandLinesFromProc(): [number, string][] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return [Number(pid), readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")];
      } catch {
        // It ended after the folder was listed.
        return [Number(pid), ""];
      }
    });
}

function commandLinesFromPs(): [number, string][] {
  const lines = execFileSync("ps", ["-axww", "-o", "pid=", "-o", "command="], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => [Number.parseInt(line, 10), line]);
}

function isThere(pid: number): boolean {
  return identify(pid) !== undefined;
}

function killIfThere(pid: number): void {
  if (isThere(pid)) process.kill(pid, "SIGKILL");
}

type Recorded = { role: string; owner: ProcessIdentity; engine: ProcessIdentity & { endpoint: string } };

function recorded(directory: string): Recorded {
  return JSON.parse(readFileSync(join(directory, "engine.json"), "utf8"));
}

function writeRecord(directory: string, record: unknown): void {
  mkdirSync(directory, { recursive: true });
  const text = typeof record === "string" ? record : JSON.stringify(record);
  writeFileSync(join(directory, "engine.json.test"), text);
  renameSync(join(directory, "engine.json.test"), join(directory, "engine.json"));
}

function identityOf(pid: number | undefined): ProcessIdentity {
  const identity = pid === undefined ? undefined : identify(pid);
  if (identity === undefined) throw new Error(`process ${pid} does not run`);
  return identity;
}

async function call(endpoint: string, operation: string, input: object): Promise<unknown> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": `DynamoDB_20120810.${operation}`,
      "x-amz-date": "20260101T000000Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=any/20260101/any/dynamodb/aws4_request, SignedHeaders=host, Signature=any",
    },
    body: JSON.stringify(input),
  });
  expect(response.status, operation).toBe(200);
  return response.json();
}

async function createTable(endpoint: string, name: string): Promise<void> {
  await call(endpoint, "CreateTable", {
    TableName: name,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
  });
}

const tables = (endpoint: string) => call(endpoint, "ListTables", {});

/** Calls `openDataDirectory`, and stops the engine when the test ends. */
async function open(directory: string, role: "server" | "admin", waitMs = 30_000) {
  const opened = await openDataDirectory(directory, { role, waitMs });
  onTestFinished(() => opened.stop());
  return opened;
}

async function start(options?: { databaseFile: string }) {
  const engine = await startEngine(options);
  onTestFinished(() => killIfThere(engine.pid));
  return engine;
}

type Reply = { endpoint?: string; shared?: boolean; error?: string };

/** Starts a process that opens the directory on request, reports, and uses it until it is killed or asked to stop. */
class Opener {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;

  constructor(directory: string, role: "server" | "admin", waitMs: number) {
    const program = `
      const { openDataDirectory } = await import(${JSON.stringify(new URL("../../../functions/local/data-directory.ts", import.meta.url))});
      const say = (line) => process.stdout.write(JSON.stringify(line) + "\\n");
      say({});
      const input = process.stdin[Symbol.asyncIterator]();
      await input.next();
      try {
        const opened = await openDataDirectory(${JSON.stringify(directory)}, ${JSON.stringify({ role, waitMs })});
        say({ endpoint: opened.endpoint, shared: opened.shared });
        await input.next();
        await opened.stop();
        say({});
      } catch (error) {
        say({ error: error.message });
      }
      process.exit();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    this.child = child;
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async reply(): Promise<Reply> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error("the opener ended without a report");
    return JSON.parse(value);
  }

  /** Lets the process continue: first to open the directory, then to stop. */
  go(): void {
    this.child.stdin?.write("go\n");
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await gone;
  }
}

async function opener(directory: string, role: "server" | "admin" = "server", waitMs = 30_000): Promise<Opener> {
  const made = new Opener(directory, role, waitMs);
  await made.reply();
  return made;
}

/** Leaves a directory whose owner was killed while its engine runs. @returns the content of `engine.json` */
async function abandon(directory: string): Promise<Recorded> {
  const owner = await opener(directory);
  owner.go();
  expect(await owner.reply()).toMatchObject({ shared: false });
  const left = recorded(directory);
  await owner.kill();
  expect(isRunning(left.owner)).toBe(false);
  expect(isRunning(left.engine)).toBe(true);
  return left;
}

function pretend(property: "arch" | "platform", value: string): void {
  const real = Object.getOwnPropertyDescriptor(process, property) ?? {};
  Object.defineProperty(process, property, { ...real, value });
  onTestFinished(() => {
    Object.defineProperty(process, property, real);
  });
}

/** Writes a program that is started in place of the engine. */
function fakeEngine(script: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "ame-fake-engine-")), "dynoxide");
  onTestFinished(() => rmSync(join(path, ".."), { recursive: true, force: true }));
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  vi.stubEnv("DYNOXIDE_BIN", path);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  return path;
}

describe("startEngine", () => {
  test("startEngine starts an engine that answers until it is stopped, and whose process then ends", async () => {
    const engine = await start();
    await createTable(engine.endpoint, "first");
    expect(await tables(engine.endpoint)).toEqual({ TableNames: ["first"] });
    expect(isThere(engine.pid)).toBe(true);

    await engine.stop();
    await engine.stop();

    expect(isThere(engine.pid)).toBe(false);
    expect(await engine.exited).toEqual({ code: 0, signal: null, requested: true });
    await expect(fetch(engine.endpoint)).rejects.toThrow();
  });

  test("startEngine isolates two engines in memory", async () => {
    const [one, other] = await Promise.all([start(), start()]);
    await createTable(one.endpoint, "only-in-one");
    expect(await tables(other.endpoint)).toEqual({ TableNames: [] });
  });

  test("startEngine stores data in a database file, and in none for :memory:", async () => {
    const directory = temporaryDirectory();
    mkdirSync(directory);
    for (const databaseFile of [join(directory, "kept.db"), ":memory:"]) {
      const first = await start({ databaseFile });
      await createTable(first.endpoint, "kept");
      await first.stop();
      const second = await start({ databaseFile });
      const kept = databaseFile === ":memory:" ? [] : ["kept"];
      expect(await tables(second.endpoint), databaseFile).toEqual({ TableNames: kept });
    }
    expect(existsSync(":memory:")).toBe(false);
  });

  test.runIf(onLinux)("startEngine starts a new process group, which Ctrl-C in a terminal does not reach", async () => {
    const { pid } = await start();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [, , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect(Number(processGroup)).toBe(pid);
  });

  test("startEngine reports when the engine ends by itself", async () => {
    const engine = await start();
    process.kill(engine.pid, "SIGKILL");
    expect(await engine.exited).toEqual({ code: null, signal: "SIGKILL", requested: false });
    await engine.stop();
  });

  test("startEngine kills an engine that ignores SIGTERM", async () => {
    const engine = await start();
    process.kill(engine.pid, "SIGSTOP");
    await engine.stop();
    expect(isThere(engine.pid)).toBe(false);
    expect(await engine.exited).toEqual({ code: null, signal: "SIGKILL", requested: true });
  });

  test("startEngine kills the engine when the process exits without stopping it", async () => {
    const program = `
      const { startEngine } = await import(${JSON.stringify(new URL("../../../functions/local/engine.ts", import.meta.url))});
      const { pid } = await startEngine();
      process.stdout.write(pid + "\\n", () => process.exit(0));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const pid = Number(value);
    expect(pid).toBeGreaterThan(0);
    onTestFinished(() => killIfThere(pid));
    await expect.poll(() => isThere(pid), generous).toBe(false);
  });

  test("startEngine tries another port when the engine ends at once", async () => {
    const { binary, log } = loggingEngine('[ $(wc -l <"$log") -lt 3 ] && exit 1');
    const engine = await start();
    expect(await tables(engine.endpoint)).toEqual({ TableNames: [] });
    const launches = readFileSync(log, "utf8").trim().split("\n");
    expect(launches).toHaveLength(3);
    expect(new Set(launches).size, `${binary} must not get the same port twice`).toBe(3);
  });

  test("startEngine fails after four attempts and says how to find the cause", async () => {
    const { binary, log } = loggingEngine("exit 3");
    await expect(startEngine()).rejects.toThrow(new RegExp(`4 attempts.*exit code 3.*${binary} --port`));
    expect(readFileSync(log, "utf8").trim().split("\n")).toHaveLength(4);
  });

  function loggingEngine(script: string) {
    const real = realEngine();
    const directory = mkdtempSync(join(tmpdir(), "ame-engine-log-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const log = join(directory, "launches");
    const binary = fakeEngine(`log='${log}'\necho "$*" >>"$log"\n${script}\nexec '${real}' "$@"`);
    return { binary, log };
  }

  function realEngine(): string {
    if (process.env.DYNOXIDE_BIN) return process.env.DYNOXIDE_BIN;
    const manifest = import.meta.resolve(`@dynoxide/${process.platform}-${process.arch}/package.json`);
    return new URL("dynoxide", manifest).pathname;
  }

  test("startEngine names the alternatives if no engine exists for the platform", async () => {
    vi.stubEnv("DYNOXIDE_BIN", undefined);
    pretend("arch", "mips");
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    await expect(startEngine()).rejects.toThrow(/no .*engine for \S+-mips: .*DYNOXIDE_BIN.*DYNAMODB_ENDPOINT/);
  });

  test("startEngine names a missing DYNOXIDE_BIN", async () => {
    vi.stubEnv("DYNOXIDE_BIN", "/nowhere/dynoxide");
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    await expect(startEngine()).rejects.toThrow(/\/nowhere\/dynoxide/);
  });
});

describe("openDataDirectory", () => {
  test("openDataDirectory keeps data across stop and start, and leaves no record behind", async () => {
    const directory = temporaryDirectory();
    const first = await open(directory, "server");
    await createTable(first.endpoint, "kept");
    await first.stop();
    await first.stop();
    expect(enginesOn(directory)).toEqual([]);
    expect(existsSync(join(directory, "engine.json"))).toBe(false);

    const second = await open(directory, "server");
    expect(second.shared).toBe(false);
    expect(await tables(second.endpoint)).toEqual({ TableNames: ["kept"] });
  });

  test("openDataDirectory makes the directory and its files accessible only for its user", async () => {
    const directory = temporaryDirectory();
    await open(directory, "server");
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect(mode(directory)).toBe(0o700);
    const files = readdirSync(directory);
    expect(files).toEqual(expect.arrayContaining(["ame.db", "engine.json"]));
    for (const file of files) expect(mode(join(directory, file)), file).toBe(0o600);
  });

  test("openDataDirectory records the owner and the engine by pid and start time", async () => {
    const directory = temporaryDirectory();
    const { endpoint } = await open(directory, "server");
    const [pid] = enginesOn(directory);
    expect(recorded(directory)).toEqual({
      role: "server",
      owner: identityOf(process.pid),
      engine: { ...identityOf(pid), endpoint },
    });
  });

  test("openDataDirectory refuses a second server at once with the pid of the first", async () => {
    const directory = temporaryDirectory();
    const owner = await opener(directory);
    owner.go();
    const { endpoint } = await owner.reply();

    // Longer than the test's timeout: it must not wait for a server.
    const second = openDataDirectory(directory, { role: "server", waitMs: 600_000 });

    await expect(second).rejects.toThrow(new RegExp(`server with pid ${owner.child.pid}.*DATA_DIR`));
    expect(await tables(endpoint ?? "")).toEqual({ TableNames: [] });
    expect(enginesOn(directory)).toHaveLength(1);
  });

  test("openDataDirectory lets an admin command share a running server's engine and leaves it running", async () => {
    const directory = temporaryDirectory();
    const owner = await opener(directory);
    owner.go();
    const { endpoint } = await owner.reply();

    const admin = await openDataDirectory(directory, { role: "admin" });
    expect(admin).toMatchObject({ endpoint, shared: true });
    await createTable(admin.endpoint, "by-admin");
    await admin.stop();

    expect(await tables(endpoint ?? "")).toEqual({ TableNames: ["by-admin"] });
    expect(recorded(directory).owner.pid).toBe(owner.child.pid);
  });

  test("openDataDirectory lets an admin command wait for a server's engine that is still starting", async () => {
    const directory = temporaryDirectory();
    const record = { role: "server", owner: identityOf(process.pid) };
    writeRecord(directory, record);
    const admin = openDataDirectory(directory, { role: "admin", waitMs: 50_000 });
    const engine = await start();
    writeRecord(directory, { ...record, engine: { ...identityOf(engine.pid), endpoint: engine.endpoint } });
    expect(await admin).toMatchObject({ endpoint: engine.endpoint, shared: true });
  });

  test("openDataDirectory gives an admin command an error if the engine does not start", async () => {
    const directory = temporaryDirectory();
    writeRecord(directory, { role: "server", owner: identityOf(process.pid) });
    const admin = openDataDirectory(directory, { role: "admin", waitMs: 100 });
    await expect(admin).rejects.toThrow(new RegExp(`pid ${process.pid}.*does not respond`));
  });

  test("openDataDirectory lets a server wait for the end of an admin command", async () => {
    const directory = temporaryDirectory();
    const admin = await opener(directory, "admin");
    admin.go();
    expect(await admin.reply()).toMatchObject({ shared: false });
    const server = open(directory, "server", 50_000);
    admin.go();
    expect(await admin.reply()).toEqual({});
    expect((await server).shared).toBe(false);
    expect(enginesOn(directory)).toHaveLength(1);
  });

  test("openDataDirectory refuses a server when an admin command takes too long", async () => {
    const directory = temporaryDirectory();
    await open(directory, "admin");
    const server = openDataDirectory(directory, { role: "server", waitMs: 100 });
    await expect(server).rejects.toThrow(new RegExp(`admin command with pid ${process.pid}`));
  });

  test("openDataDirectory runs concurrent admin commands one after the other", async () => {
    const directory = temporaryDirectory();
    const admins = await Promise.all(Array.from({ length: 4 }, () => opener(directory, "admin", 50_000)));
    for (const admin of admins) admin.go();
    const replies = await Promise.all(
      admins.map(async (admin) => {
        const reply = await admin.reply();
        expect(await tables(reply.endpoint ?? "")).toEqual({ TableNames: [] });
        admin.go();
        expect(await admin.reply()).toEqual({});
        return reply.shared;
      }),
    );
    expect(replies).toEqual([false, false, false, false]);
    expect(enginesOn(directory)).toEqual([]);
  });

  test("openDataDirectory does not share the engine of an admin command that is about to stop it", async () => {
    const directory = temporaryDirectory();
    const first = await opener(directory, "admin");
    first.go();
    expect(await first.reply()).toMatchObject({ shared: false });
    const second = open(directory, "admin", 50_000);
    // Time for a wrong implementation to fail; a correct one does not depend on it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    first.go();
    expect(await first.reply()).toEqual({});
    expect((await second).shared).toBe(false);
  });

  test("openDataDirectory shares the engine of an admin command that takes too long with another one", async () => {
    const directory = temporaryDirectory();
    const { endpoint } = await open(directory, "admin");
    const other = await openDataDirectory(directory, { role: "admin", waitMs: 100 });
    expect(other).toMatchObject({ endpoint, shared: true });
  });

  test("openDataDirectory ends the engine of a killed owner and keeps its data", async () => {
    const directory = temporaryDirectory();
    const owner = await opener(directory);
    owner.go();
    const { endpoint } = await owner.reply();
    await createTable(endpoint ?? "", "survivor");
    const left = recorded(directory);
    await owner.kill();
    expect(isRunning(left.engine)).toBe(true);

    const next = await open(directory, "server");

    expect(next.shared).toBe(false);
    expect(isRunning(left.engine)).toBe(false);
    expect(await tables(next.endpoint)).toEqual({ TableNames: ["survivor"] });
    expect(enginesOn(directory)).toEqual([recorded(directory).engine.pid]);
  });

  test("openDataDirectory ends an abandoned engine that ignores SIGTERM", async () => {
    const directory = temporaryDirectory();
    const left = await abandon(directory);
    process.kill(left.engine.pid, "SIGSTOP");
    await open(directory, "admin");
    expect(isRunning(left.engine)).toBe(false);
    expect(enginesOn(directory)).toHaveLength(1);
  });

  test("openDataDirectory ends the engine of an owner that was killed while the engine started", async () => {
    const directory = temporaryDirectory();
    const { engine, ...left } = await abandon(directory);
    writeRecord(directory, { ...left, engine: { pid: engine.pid, startedAt: engine.startedAt } });
    await open(directory, "server");
    expect(isRunning(engine)).toBe(false);
  });

  test("openDataDirectory neither accepts a process with a reused pid as the owner nor kills it", async () => {
    const directory = temporaryDirectory();
    const bystander = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    onTestFinished(() => {
      bystander.kill("SIGKILL");
    });
    const exited = vi.fn();
    bystander.once("exit", exited);
    writeRecord(directory, {
      role: "server",
      owner: { pid: process.pid, startedAt: "another time" },
      engine: { pid: bystander.pid, startedAt: "another time", endpoint: inject("endpoint") },
    });

    const opened = await open(directory, "server");

    expect(opened.shared).toBe(false);
    expect(opened.endpoint).not.toBe(inject("endpoint"));
    expect(recorded(directory).owner).toEqual(identityOf(process.pid));
    await opened.stop();
    expect(isThere(bystander.pid ?? 0)).toBe(true);
    expect(exited).not.toHaveBeenCalled();
  });

  test("openDataDirectory does not kill the process that has the recorded pid of both owner and engine", async () => {
    const directory = temporaryDirectory();
    const stranger = { pid: process.pid, startedAt: "another time" };
    writeRecord(directory, { role: "admin", owner: stranger, engine: { ...stranger, endpoint: inject("endpoint") } });
    const opened = await open(directory, "server");
    expect(opened.shared).toBe(false);
  });

  test.for([
    ["nothing", ""],
    ["half a record", '{"role":"server","owner":{"pid":1'],
    ["no record", "[1, 2]"],
    [
      "process groups for pids",
      { role: "server", owner: { pid: -1, startedAt: "" }, engine: { pid: 0, startedAt: "" } },
    ],
    ["an unknown role", () => ({ role: "root", owner: identityOf(process.pid), engine: identityOf(process.pid) })],
  ] as const)("openDataDirectory replaces an engine.json with %s", async ([, content]) => {
    const directory = temporaryDirectory();
    writeRecord(directory, typeof content === "function" ? content() : content);
    await open(directory, "server");
    expect(recorded(directory).owner).toEqual(identityOf(process.pid));
    expect(enginesOn(directory)).toEqual([recorded(directory).engine.pid]);
  });

  test("openDataDirectory gives one owner and one engine when five processes find the same stale record", async () => {
    const directory = temporaryDirectory();
    await abandon(directory);
    for (let round = 0; round < 3; round++) {
      const before = recorded(directory);
      const openers = await Promise.all(Array.from({ length: 5 }, () => opener(directory)));
      for (const each of openers) each.go();
      const replies = await Promise.all(openers.map((each) => each.reply()));

      const owner = openers.find((_, index) => replies[index]?.shared === false);
      const refusals = replies.filter(({ error }) => error?.includes(`server with pid ${owner?.child.pid}`));
      expect(refusals, JSON.stringify(replies)).toHaveLength(4);
      expect(recorded(directory).owner.pid).toBe(owner?.child.pid);
      expect(enginesOn(directory)).toEqual([recorded(directory).engine.pid]);
      expect(isRunning(before.engine)).toBe(false);
      await owner?.kill();
    }
  });

  test("openDataDirectory releases the directory when the engine cannot be started", async () => {
    const directory = temporaryDirectory();
    fakeEngine("exit 1");
    await expect(openDataDirectory(directory, { role: "server" })).rejects.toThrow(/ended at once/);
    expect(existsSync(join(directory, "engine.json"))).toBe(false);
  });

  test("openDataDirectory records the engine before the engine can open the database", async () => {
    const directory = temporaryDirectory();
    const seen = join(directory, "..", "seen");
    fakeEngine(`cp '${directory}/engine.json' '${seen}'; echo $$ >'${seen}.pid'; exit 1`);
    await expect(openDataDirectory(directory, { role: "admin" })).rejects.toThrow(/ended at once/);
    const record = JSON.parse(readFileSync(seen, "utf8"));
    expect(record).toMatchObject({ role: "admin", owner: identityOf(process.pid) });
    expect(record.engine.pid).toBe(Number(readFileSync(`${seen}.pid`, "utf8")));
  });

  test("openDataDirectory stops without error when the directory was deleted", async () => {
    const directory = temporaryDirectory();
    const opened = await open(directory, "server");
    rmSync(directory, { recursive: true });
    await opened.stop();
    expect(enginesOn(directory)).toEqual([]);
  });

  test("openDataDirectory does not change the record of a later owner", async () => {
    const directory = temporaryDirectory();
    const opened = await open(directory, "server");
    const other = { role: "server", owner: identityOf(process.ppid) };
    writeRecord(directory, other);
    await opened.stop();
    expect(recorded(directory)).toEqual(other);
  });
});

describe("identify", () => {
  test.runIf(onLinux)("identify reads the start time of a process whose name has spaces and parentheses", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ame-engine-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, "a) Z 1 (2 3");
    writeFileSync(path, "#!/bin/sh\nread -r end\n", { mode: 0o755 });
    const startNamed = async () => {
      const child = spawn(path, { stdio: ["pipe", "ignore", "ignore"] });
      onTestFinished(() => {
        child.kill("SIGKILL");
      });
      await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, "utf8"), generous).toBe("a) Z 1 (2 3\n");
      return { child, identity: identityOf(child.pid) };
    };
    const one = await startNamed();
    // Start times have a resolution of 10 ms.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const other = await startNamed();

    expect(one.identity.startedAt).not.toBe(other.identity.startedAt);
    expect(identityOf(one.child.pid)).toEqual(one.identity);
    expect(isRunning(one.identity)).toBe(true);
    expect(isRunning({ ...one.identity, startedAt: other.identity.startedAt })).toBe(false);
    one.child.kill("SIGKILL");
    await expect.poll(() => isRunning(one.identity), generous).toBe(false);
  });

  test.runIf(onLinux).for(["linux", "darwin"])(
    "identify does not count a zombie as running on %s",
    async (platform, { skip }) => {
      skip(platform === "darwin" && !existsSync("/bin/ps"), "there is no ps here");
      const parent = spawn("/bin/sh", ["-c", "exec 3<&0; sh -c 'read -r end <&3' & echo $!; exec sleep 600"], {
        stdio: ["pipe", "pipe", "ignore"],
      });
      onTestFinished(() => {
        parent.kill("SIGKILL");
      });
      const { value } = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
      // The shell could still reap its child, but the program that replaces it does not.
      await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8"), generous).toBe("sleep\n");
      expect(identityOf(Number(value))).toBeDefined();
      parent.stdin.end();
      pretend("platform", platform);
      await expect.poll(() => identify(Number(value)), generous).toBeUndefined();
      // It still exists, but only as an entry in the process table.
      expect(process.kill(Number(value), 0)).toBe(true);
    },
  );

  test.runIf(existsSync("/bin/ps"))("identify uses ps on a system without /proc", async () => {
    pretend("platform", "darwin");
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    const identity = identityOf(child.pid);
    expect(identity.startedAt).toMatch(/\d\d:\d\d:\d\d/);
    vi.stubEnv("TZ", "Asia/Tokyo");
    vi.stubEnv("LC_ALL", "de_DE.UTF-8");
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect(isRunning(identity)).toBe(true);
    child.kill("SIGKILL");
    await expect.poll(() => isRunning(identity), generous).toBe(false);
  });

  test.runIf(existsSync("/bin/ps"))("identify throws without /proc and ps", () => {
    pretend("platform", "darwin");
    vi.stubEnv("PATH", "/nowhere");
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect(() => identify(process.pid)).toThrow(/`ps` does not work/);
  });
});

describe("the global setup of the tests", () => {
  function projectWith() {
    const provide = vi.fn();
    return { provide };
  }

  function stubEndpoint(value: string | undefined): void {
    vi.stubEnv("DYNAMODB_ENDPOINT", value);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
  }

  test("the global setup refuses an engine that is not on loopback", async () => {
    stubEndpoint("https://dynamodb.eu-west-1.amazonaws.com");
    const project = projectWith();
    await expect(setup(project)).rejects.toThrow(/tests write and delete tables; refusing .*amazonaws\.com/);
    expect(project.provide).not.toHaveBeenCalled();
  });

  test("the global setup uses the engine of DYNAMODB_ENDPOINT and leaves it running", async () => {
    const engine = await start();
    stubEndpoint(engine.endpoint);
    const project = projectWith();
    const teardown = await setup(project);
    expect(project.provide).toHaveBeenCalledExactlyOnceWith("endpoint", engine.endpoint);
    await teardown();
    expect(await tables(engine.endpoint)).toEqual({ TableNames: [] });
  });

  test("the global setup starts an engine and stops it after the tests", async () => {
    stubEndpoint(undefined);
    const project = projectWith();
    const teardown = await setup(project);
    onTestFinished(teardown);
    const [, endpoint = ""] = project.provide.mock.calls[0] ?? [];
    expect(endpoint).not.toBe(inject("endpoint"));
    expect(await tables(endpoint)).toEqual({ TableNames: [] });
    await teardown();
    await expect(fetch(endpoint)).rejects.toThrow();
  });
});
