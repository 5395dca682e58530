/** Parses a Dockerfile, as far as this project's uses the syntax. Unsupported syntax is an error. */

/** One stage: its base image and its steps. */
export interface Stage {
  name: string | undefined;
  base: string;
  steps: Step[];
}

/** Steps that change the files of a stage. */
export type Step =
  | { kind: "copy"; from: string | undefined; sources: string[]; target: string; workdir: string }
  | { kind: "run"; command: string; workdir: string };

/** Image configuration. */
export interface Plan {
  stages: Stage[];
  /** Command, working folder, environment and user of the image. */
  environment: Record<string, string>;
  workdir: string;
  user: string;
  ports: number[];
  command: string[];
  health: { options: string[]; command: string[] };
  stopSignal: string;
}

/** Splits into instructions with arguments: removes comments and joins continued lines. */
function instructionsIn(text: string): [name: string, rest: string][] {
  const lines = text
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join("\n")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n");
  return lines.map((line) => {
    const [, name, rest] = /^([A-Z]+)\s+(.+)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) throw new Error(`not an instruction: ${line}`);
    return [name, rest];
  });
}

/** Parses the exec form, which runs without a shell. */
function execForm(text: string): string[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed) || !parsed.every((word) => typeof word === "string"))
    throw new Error(`not in exec form: ${text}`);
  return parsed;
}

/** Splits options, which come first, from the rest. */
function optionsIn(rest: string): { options: Record<string, string>; words: string[] } {
  const all = rest.split(/\s+/);
  const options = all.filter((word) => word.startsWith("--"));
  return {
    options: Object.fromEntries(options.map((option) => option.slice(2).split("=", 2) as [string, string])),
    words: all.slice(options.length),
  };
}

/** Parses a Dockerfile. @throws Error that names unsupported syntax */
export function readDockerfile(text: string): Plan {
  const plan: Plan = {
    stages: [],
    environment: {},
    workdir: "/",
    user: "root",
    ports: [],
    command: [],
    health: { options: [], command: [] },
    stopSignal: "SIGTERM",
  };
  const given = new Map<string, string>();
  const filled = (word: string) =>
    word.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
      const value = given.get(name);
      if (value === undefined) throw new Error(`${name} is missing`);
      return value;
    });
  const stage = () => {
    const last = plan.stages.at(-1);
    if (last === undefined) throw new Error("there is no FROM before this line");
    return last;
  };
  const does: Record<string, (rest: string) => void> = {
    ARG(rest) {
      const [name = "", value = ""] = rest.split("=", 2);
      given.set(name, value);
    },
    FROM(rest) {
      const [base = "", as, name] = rest.split(/\s+/);
      if (as !== undefined && as !== "AS") throw new Error(`FROM ${rest}`);
      plan.stages.push({ name, base: filled(base), steps: [] });
      // A stage inherits nothing from the previous one.
      Object.assign(plan, { environment: {}, workdir: "/", user: "root", ports: [] });
    },
    ENV(rest) {
      for (const word of rest.split(/\s+/)) {
        const at = word.indexOf("=");
        if (at < 1) throw new Error(`ENV ${rest}`);
        plan.environment[word.slice(0, at)] = word.slice(at + 1);
      }
    },
    WORKDIR(rest) {
      plan.workdir = rest;
    },
    COPY(rest) {
      const { options, words } = optionsIn(rest);
      const { from, ...unknown } = options;
      if (Object.keys(unknown).length > 0 || words.length < 2) throw new Error(`COPY ${rest}`);
      stage().steps.push({
        kind: "copy",
        from,
        sources: words.slice(0, -1),
        target: words.at(-1) ?? "",
        workdir: plan.workdir,
      });
    },
    RUN(rest) {
      if (plan.user !== "root") throw new Error("RUN as another user");
      stage().steps.push({ kind: "run", command: rest, workdir: plan.workdir });
    },
    USER(rest) {
      plan.user = rest;
    },
    EXPOSE(rest) {
      plan.ports.push(...rest.split(/\s+/).map(Number));
    },
    HEALTHCHECK(rest) {
      const [options = "", command] = rest.split(/\bCMD\s+/, 2);
      plan.health = { options: options.trim().split(/\s+/), command: execForm(command ?? "") };
    },
    STOPSIGNAL(rest) {
      plan.stopSignal = rest;
    },
    CMD(rest) {
      plan.command = execForm(rest);
    },
  };
  for (const [name, rest] of instructionsIn(text)) {
    const act = does[name];
    if (act === undefined) throw new Error(`${name} is not supported`);
    act(rest);
  }
  return plan;
}

/**
 * Evaluates a `.dockerignore`: the last pattern that matches a path, or one of its folders, applies.
 *
 * @returns true if a path, relative to the project, is ignored
 */
export function ignoredBy(text: string): (path: string) => boolean {
  const patterns = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const matcher = (pattern: string) =>
    new RegExp(`^${pattern.replaceAll(/[.+?^$()|[\]{}\\]/g, "\\$&").replaceAll("*", "[^/]*")}(/|$)`);
  const rules = patterns.map((line) => {
    const isBack = line.startsWith("!");
    return { isBack, matches: matcher(isBack ? line.slice(1) : line) };
  });
  return (path) => rules.reduce((away, { isBack, matches }) => (matches.test(path) ? !isBack : away), false);
}
