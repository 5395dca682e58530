/** Sends generated requests to the served app, and compares every response with the document. */

import { allRoutes } from "#functions/api/all-routes.ts";
import { createApp } from "#functions/http/app.ts";
import { addDocs } from "#functions/openapi/docs-page.ts";
import { createLogger } from "#functions/runtime/log.ts";
import { committed, contractOf, type OpenApi } from "#test/support/contract.ts";
import { type Json, unpack, type World } from "#test/support/world.ts";
import { FIRST, type Plan, planner, render, type Sent } from "./generate.ts";
import { makeScene, type Scene } from "./scene.ts";

/** Number of requests to one organisation. Then a new one is used, before limits make every response a conflict. */
export const ROUND = 2_500;

/** Options of a run. */
export interface RunOptions {
  seed: number;
  requests: number;
  /** Runs only this round. */
  round?: number | undefined;
  /** Number of parallel rounds; the requests of a round are sequential. */
  lanes: number;
  /** Maximum number of requests, after all rounds, to each operation that has not succeeded in them; none by default. */
  attempts?: number;
  /** Document to compare responses with; the committed one by default. */
  document?: OpenApi;
  /** Called after each batch of requests. */
  onProgress?: (sent: number, failed: number) => void;
}

/** Response that does not match the document. */
export interface Failure {
  /** Undefined for a request that was sent after all rounds, to an operation that had not succeeded. */
  round: number | undefined;
  /** Position in its round, from 0. */
  position: number;
  plan: Pick<Plan, "operationId" | "kind" | "mutations">;
  sent: Sent;
  problem: string;
  /** Log lines of the request. */
  logs: string[];
}

/** Result of a run. */
export interface Report {
  sent: number;
  /** Number of responses of each status, by planned operation. */
  statuses: Map<string, Map<number, number>>;
  failures: Failure[];
  slowest: { milliseconds: number; of: string };
}

/** Number of requests between two progress reports. */
const STEP = 500;
/** Maximum duration of a request, in milliseconds: far more than any needs. */
const PATIENCE = 20_000;

interface Answered {
  status: number;
  headers: Headers;
  body: Json;
}

interface Target {
  fetch(request: Request): Response | Promise<Response>;
  /** Every logged warning and error. */
  logs: string[];
}

/** The app with all routes of the local server. */
function serveAll({ services, keyring }: World): Target {
  const logs: string[] = [];
  const log = createLogger("warn", (line) => logs.push(line));
  const app = createApp(
    { services, log, config: { TRUSTED_PROXIES: ["127.0.0.0/8"], CORS_ORIGINS: [] }, peerAddress: () => "127.0.0.1" },
    allRoutes(keyring, async () => true),
  );
  addDocs(app, log);
  return { fetch: (request) => app.fetch(request), logs };
}

/** Waits for a response with a timeout. @throws Error after the timeout */
async function inTime<T>(answer: T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    return await Promise.race([answer, never]);
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(target: Target, { method, path, headers, body }: Sent): Promise<Answered> {
  const init = { method, headers, ...(body === undefined ? {} : { body }) };
  const response = await inTime(target.fetch(new Request(`http://localhost${path}`, init)));
  const bytes = Buffer.from(await response.arrayBuffer());
  const plain = unpack(bytes, response.headers);
  const answered = plain.length === 0 ? undefined : JSON.parse(plain.toString());
  return { status: response.status, headers: response.headers, body: answered };
}

/**
 * Sends requests generated from the document, in rounds of `ROUND`, each to a new organisation.
 *
 * @param world with a table
 * @throws Error if no requests can be generated, or no organisation can be created
 */
export async function run(world: World, options: RunOptions): Promise<Report> {
  const { seed, requests, lanes, onProgress, attempts = 0, document = committed } = options;
  // It records every call, and a run has millions.
  world.table.client.middlewareStack.remove("wire");
  const contract = contractOf(document);
  const plans = planner(document);
  const target = serveAll(world);
  const report: Report = { sent: 0, statuses: new Map(), failures: [], slowest: { milliseconds: 0, of: "" } };
  for (const operation of Object.values(document.paths).flatMap((each) => Object.values(each))) {
    report.statuses.set(operation.operationId, new Map());
  }

  /** @param scene records a success; absent for a repeat, which gives no new information */
  async function sendOne(scene: Scene | undefined, plan: Plan, sent: Sent, place: Pick<Failure, "round" | "position">) {
    const started = performance.now();
    const { operationId, kind, mutations } = plan;
    try {
      const answered = await exchange(target, sent);
      const counts = report.statuses.get(operationId);
      counts?.set(answered.status, (counts.get(answered.status) ?? 0) + 1);
      checkResponse(sent, answered);
      if (answered.status < 300 && sent.isOnTarget) {
        const isDryRun = new URL(`http://localhost${sent.path}`).searchParams.get("dryRun") === "true";
        await scene?.addKnownSecrets(operationId, plan.target, { isDryRun }, answered.headers, answered.body);
      }
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      report.failures.push({
        ...place,
        plan: { operationId, kind, mutations },
        sent,
        problem,
        logs: target.logs.slice(-2),
      });
    }
    const milliseconds = performance.now() - started;
    const of = `${sent.method} ${sent.path.slice(0, 200)} (${kind}: ${mutations.map(({ name }) => name).join(", ")})`;
    if (milliseconds > report.slowest.milliseconds) report.slowest = { milliseconds, of };
    if (++report.sent % STEP === 0) onProgress?.(report.sent, report.failures.length);
  }

  function checkResponse({ method, path }: Sent, { status, headers, body }: Answered): void {
    if (status >= 500) throw new Error(`it answered ${status}: ${JSON.stringify(body)}`);
    const strange = [...headers].filter(([, value]) => !/^[\x20-\x7e]*$/.test(value));
    if (strange.length > 0) throw new Error(`headers hold more than printable ASCII: ${JSON.stringify(strange)}`);
    contract.expectContract(method, path, status, headers, body);
  }

  async function runRound(round: number, count: number): Promise<void> {
    const scene = await makeScene(world);
    for (const [position, plan] of plans.any(Math.imul(seed + round, 0x9e3779b1), count).entries()) {
      const sent = render(plan, scene);
      await sendOne(scene, plan, sent, { round, position });
      if (plan.again) await sendOne(undefined, plan, sent, { round, position });
    }
  }

  /** Sends requests to each operation that has not succeeded, until it does: few random requests may miss an operation. */
  async function complete(): Promise<void> {
    const missed = neverSucceeded(report);
    if (missed.length === 0) return;
    const scene = await makeScene(world);
    const first = plans.any(seed, FIRST);
    for (const plan of first) await sendOne(scene, plan, render(plan, scene), { round: undefined, position: 0 });
    for (const operationId of missed) {
      for (const [position, plan] of plans.of(operationId, seed, attempts).entries()) {
        await sendOne(scene, plan, render(plan, scene), { round: undefined, position });
        if (!neverSucceeded(report).includes(operationId)) break;
      }
    }
  }

  const rounds = Array.from({ length: Math.ceil(requests / ROUND) }, (_, round) => round);
  const queue = rounds.filter((round) => options.round === undefined || round === options.round);
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let round = queue.shift(); round !== undefined; round = queue.shift()) {
        await runRound(round, Math.min(ROUND, requests - round * ROUND));
      }
    }),
  );
  if (attempts > 0 && options.round === undefined) await complete();
  return report;
}

/** Returns the operations that never succeeded. */
export function neverSucceeded({ statuses }: Report): string[] {
  return [...statuses]
    .filter(([, counts]) => ![...counts.keys()].some((status) => status >= 200 && status < 300))
    .map(([operationId]) => operationId);
}

/** Formats one line per operation: number of responses of each status. */
export function tableOf({ statuses }: Report): string {
  return [...statuses]
    .map(([operationId, counts]) => {
      const columns = [...counts].sort(([one], [other]) => one - other).map(([status, count]) => `${status}: ${count}`);
      return `${operationId.padEnd(34)} ${columns.join("  ")}`;
    })
    .join("\n");
}

/** Formats all that is needed to examine a failure and to reproduce it. */
export function describeFailure(failure: Failure, seed: number, requests: number): string {
  const { round, position, plan, sent, problem, logs } = failure;
  const { body, headers, method, path, caller } = sent;
  const shown =
    body === undefined ? "no body" : typeof body === "string" ? body : `base64 ${Buffer.from(body).toString("base64")}`;
  return [
    `${plan.operationId}, ${plan.kind} (${plan.mutations.map(({ name }) => name).join(", ")}), as ${caller}: ${problem.slice(0, 1_500)}`,
    `  ${method} ${path.slice(0, 1_000)}`,
    `  ${JSON.stringify({ ...headers, ...(headers.authorization === undefined ? {} : { authorization: "…" }) }).slice(0, 1_000)}`,
    `  ${shown.slice(0, 1_500)}`,
    ...logs.map((line) => `  log: ${line.slice(0, 1_500)}`),
    `  again: npm run fuzz -- --seed ${seed} --requests ${requests}${
      round === undefined
        ? ` (request ${position} of the operation after the rounds)`
        : ` --round ${round} (request ${position} of it)`
    }`,
  ].join("\n");
}
