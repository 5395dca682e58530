/** Chooses and checks the stage of `npm run dev`, `deploy`, `remove` and `sweep`, then runs SST. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { parseArgs, parseEnv } from "node:util";
import { buildSettings, CLUSTER_API } from "./settings.ts";
import { branchStage, PRODUCTION, personalStage, type Stage, stageOf } from "./stage.ts";
import { expiredStages, LIST_TABLES } from "./sweep.ts";

const USAGE = `Usage: npm run <command> -- [--stage NAME | --branch NAME]

  dev      runs the functions on this machine, behind your personal stage
    deploy   deploys a stage; without a name that of the current branch
    remove   removes a branch's stage or a personal stage, with all its data
    sweep    removes the expired stages of branches`;

/** Error that is shown without a stack trace. */
class CommandError extends Error {}

const run = (command: string, ...given: string[]): void => {
  const { status, error } = spawnSync(command, given, { stdio: "inherit" });
  if (error !== undefined) throw new CommandError(`${command} cannot be run: ${error.message}`);
  if (status !== 0) throw new CommandError(`${command} ${given.join(" ")} failed`);
};

const output = (command: string, ...given: string[]): string => execFileSync(command, given, { encoding: "utf8" });

/** SST's message for a stage without state (`project.ErrStageNotFound`). SST fails then. */
const STAGE_NOT_FOUND = /\bstage not found\b/i;

/**
 * Removes a stage. A missing stage counts as removed: a merge closes the pull request and deletes the branch, and both events start
 * the removal.
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
    child.once("error", (error) => reject(new CommandError(`sst cannot be run: ${error.message}`)));
    child.once("close", resolve);
  });
  if (status === 0) return;
  if (!STAGE_NOT_FOUND.test(printed)) throw new CommandError(`sst ${given.join(" ")} failed`);
  process.stdout.write(`The stage ${stage} does not exist. Nothing was removed.\n`);
}

/** Returns the stage that the options or the current branch name. */
function selectStage(command: string, { stage, branch }: { stage?: string; branch?: string }): Stage {
  if (stage !== undefined && branch !== undefined) throw new CommandError("Use --stage or --branch, not both.");
  if (stage !== undefined) return stageOf(stage);
  if (branch === undefined && command === "dev") return stageOf(personalStage(userInfo().username));
  const of = branch ?? output("git", "branch", "--show-current").trim();
  if (of === "") throw new CommandError("The current commit is not on a branch. Name the stage: --stage NAME");
  if (of === "main") throw new CommandError(`${PRODUCTION} runs main. To use it, name it: --stage ${PRODUCTION}`);
  return stageOf(branchStage(of));
}

/**
 * Returns a setting of a stage. SST reads `.env.<stage>` and `.env`, but the bundles are built before it starts.
 *
 * @returns undefined if neither the environment nor a file sets it
 */
function settingOf(stage: string, name: string): string | undefined {
  const files = [`.env.${stage}`, ".env"].filter((file) => existsSync(file));
  const settings = files.map((file) => parseEnv(readFileSync(file, "utf8"))[name]);
  return [process.env[name], ...settings].find((value) => value !== undefined && value !== "");
}

const commands: Record<string, (stage: Stage) => void | Promise<void>> = {
  dev({ name, isEphemeral }) {
    if (!isEphemeral) throw new CommandError(`${name} is a shared stage: dev would send its requests to this machine.`);
    if (settingOf(name, "PROVISIONER") === CLUSTER_API) {
      throw new CommandError(
        "PROVISIONER=cluster-api is not possible with dev, whose functions have no profile file; set PROVISIONER=simulated.",
      );
    }
    run("sst", "dev", "--stage", name);
  },
  deploy({ name }) {
    for (const setting of buildSettings) {
      const value = settingOf(name, setting);
      if (value !== undefined) process.env[setting] = value;
    }
    run("npm", "run", "--silent", "build");
    run("sst", "deploy", "--stage", name);
  },
  async remove({ name, isEphemeral }) {
    if (!isEphemeral) {
      throw new CommandError(
        `${name} cannot be removed: it contains data of users. docs/stages.md lists the protections to switch off first.`,
      );
    }
    await removeStage(name);
  },
};

/** Removes every expired stage. A failure does not stop the removal of the others. */
async function sweep(): Promise<void> {
  const expired = expiredStages(JSON.parse(output("aws", ...LIST_TABLES)), new Date());
  process.stdout.write(`${expired.length === 0 ? "No stage has expired." : `Removing ${expired.join(", ")}`}\n`);
  const failed: string[] = [];
  for (const stage of expired) {
    try {
      await removeStage(stage);
    } catch (error) {
      failed.push(stage);
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
  if (failed.length > 0) throw new CommandError(`These stages were not removed: ${failed.join(", ")}`);
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
    if (perform === undefined || positionals.length > 1) throw new CommandError(USAGE);
    const stage = selectStage(command, values);
    process.stdout.write(`Stage ${stage.name}\n`);
    await perform(stage);
  }
} catch (error) {
  const isExpected = error instanceof CommandError || error instanceof RangeError || error instanceof TypeError;
  process.stderr.write(`${isExpected ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = 1;
}
