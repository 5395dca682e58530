/** `npm run dev`, `deploy`, `remove` and `sweep`: which stage it is about, and what may not be done to it. SST does the rest. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { parseArgs } from "node:util";
import { branchStage, PRODUCTION, personalStage, type Stage, stageOf } from "./stage.ts";
import { expiredStages, LIST_TABLES } from "./sweep.ts";

const USAGE = `Usage: npm run <command> -- [--stage NAME | --branch NAME]

  dev      runs the functions on this machine, behind a stage of your own
  deploy   deploys a stage; without a name that of the branch you are on
  remove   removes a branch's stage or one of your own, with everything in it
  sweep    removes the stages of branches whose time is over`;

/** What is told and nothing more: no trace belongs to it. */
class Refusal extends Error {}

const run = (command: string, ...given: string[]): void => {
  const { status, error } = spawnSync(command, given, { stdio: "inherit" });
  if (error !== undefined) throw new Refusal(`${command} cannot be run: ${error.message}`);
  if (status !== 0) throw new Refusal(`${command} ${given.join(" ")} failed`);
};

const output = (command: string, ...given: string[]): string => execFileSync(command, given, { encoding: "utf8" });

/** What SST prints for a stage that it has no state of (`project.ErrStageNotFound`). It fails then. */
const NOT_THERE = /\bstage not found\b/i;

/**
 * Removes a stage. A stage that is not there counts as removed: a merge closes the pull request and deletes the branch, and
 * each of the two asks for the removal.
 */
async function removeStage(stage: string): Promise<void> {
  const given = ["remove", "--stage", stage];
  const child = spawn("sst", given, { stdio: ["inherit", "pipe", "pipe"] });
  let printed = "";
  for (const [from, to] of [[child.stdout, process.stdout] as const, [child.stderr, process.stderr] as const]) {
    from.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      to.write(chunk);
    });
  }
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => reject(new Refusal(`sst cannot be run: ${error.message}`)));
    child.once("close", resolve);
  });
  if (status === 0) return;
  if (!NOT_THERE.test(printed)) throw new Refusal(`sst ${given.join(" ")} failed`);
  process.stdout.write(`There is no stage ${stage}. Nothing had to be removed.\n`);
}

/** The stage that is meant. */
function stageFor(command: string, { stage, branch }: { stage?: string; branch?: string }): Stage {
  if (stage !== undefined && branch !== undefined) throw new Refusal("Give --stage or --branch, not both.");
  if (stage !== undefined) return stageOf(stage);
  if (branch === undefined && command === "dev") return stageOf(personalStage(userInfo().username));
  const of = branch ?? output("git", "branch", "--show-current").trim();
  if (of === "") throw new Refusal("There is no branch here. Name the stage: --stage NAME");
  if (of === "main") throw new Refusal(`main is what ${PRODUCTION} runs. If you mean that: --stage ${PRODUCTION}`);
  return stageOf(branchStage(of));
}

const commands: Record<string, (stage: Stage) => void | Promise<void>> = {
  dev({ name, isEphemeral }) {
    if (!isEphemeral) throw new Refusal(`${name} is not only yours: its requests would come to this machine.`);
    run("sst", "dev", "--stage", name);
  },
  deploy({ name }) {
    run("npm", "run", "--silent", "build");
    run("sst", "deploy", "--stage", name);
  },
  async remove({ name, isEphemeral }) {
    if (!isEphemeral) {
      throw new Refusal(
        `${name} is not removed: its data are somebody's. What has to be switched off first is in docs/stages.md.`,
      );
    }
    await removeStage(name);
  },
};

/** Removes every stage whose time is over. One that fails keeps no other from going. */
async function sweep(): Promise<void> {
  const expired = expiredStages(JSON.parse(output("aws", ...LIST_TABLES)), new Date());
  process.stdout.write(`${expired.length === 0 ? "No stage's time is over." : `Removing ${expired.join(", ")}`}\n`);
  const failed: string[] = [];
  for (const stage of expired) {
    try {
      await removeStage(stage);
    } catch (error) {
      failed.push(stage);
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
  if (failed.length > 0) throw new Refusal(`These are still there: ${failed.join(", ")}`);
}

try {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { stage: { type: "string" }, branch: { type: "string" } },
  });
  const [command = ""] = positionals;
  if (command === "sweep") {
    await sweep();
  } else {
    const perform = commands[command];
    if (perform === undefined || positionals.length > 1) throw new Refusal(USAGE);
    const stage = stageFor(command, values);
    process.stdout.write(`Stage ${stage.name}\n`);
    await perform(stage);
  }
} catch (error) {
  const isTold = error instanceof Refusal || error instanceof RangeError || error instanceof TypeError;
  process.stderr.write(`${isTold ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = 1;
}
