import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { branchStage, expiryFrom, personalStage, stageOf } from "../../stacks/stage.ts";
import { expiredStages } from "../../stacks/sweep.ts";

describe("the stage of a branch", () => {
  test.each([
    ["a-change", /^branch-a-change$/],
    ["Feature/Log_In", /^branch-feature-log-in-[0-9a-z]{7}$/],
    ["a-branch-whose-name-is-longer-than-a-stage-may-have", /^branch-a-branch-whose-na-[0-9a-z]{7}$/],
    ["日本語", /^branch-[0-9a-z]{7}$/],
  ])("the stage of the branch %s is named after it", (branch, stage) => {
    expect(branchStage(branch)).toMatch(stage);
  });

  test("the stage of a branch with any name is a branch's stage, and differs from other branches' stages", () => {
    const branch = fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(branch, (name) => {
        expect(stageOf(branchStage(name))).toMatchObject({ kind: "branch", isEphemeral: true });
      }),
    );
    const alike = [
      "a/b",
      "a-b",
      "A-b",
      "a_b",
      "a--b",
      "-a-b",
      "a-b-",
      "a.b",
      `${"x".repeat(40)}1`,
      `${"x".repeat(40)}2`,
    ];
    expect(new Set(alike.map(branchStage)).size).toBe(alike.length);
  });

  test("the stage of a branch expires a week after its last deployment", () => {
    expect(expiryFrom(new Date("2026-11-27T23:59:00Z"))).toBe("2026-12-04");
  });
});

describe("the name of a stage", () => {
  test.each([
    ["production", "production", false, 365],
    ["staging", "shared", false, 30],
    ["branch-x", "branch", true, 7],
    ["dev-ann", "personal", true, 7],
  ])("the stage %s is %s", (name, kind, isEphemeral, logDays) => {
    expect(stageOf(name)).toEqual({ name, kind, isEphemeral, logDays });
  });

  test.each(["", "Production", "1st", "a_b", "a b", "x".repeat(33)])("a stage cannot have the name %j", (name) => {
    expect(() => stageOf(name)).toThrow(/Invalid stage name/);
  });

  test("personal stages of two people differ", () => {
    expect(personalStage("ann")).toBe("dev-ann");
    expect(personalStage("Ann")).not.toBe("dev-ann");
  });
});

describe("the sweep of expired stages", () => {
  const tagged = (stage: string, expires?: string) => ({
    Tags: [{ Key: "sst:stage", Value: stage }, ...(expires === undefined ? [] : [{ Key: "expires", Value: expires }])],
  });
  const now = new Date("2026-11-27T03:17:00Z");

  test("the sweep finds each expired stage of a branch once", () => {
    const found = [
      tagged("branch-old", "2026-11-26"),
      tagged("branch-old", "2026-11-26"),
      tagged("branch-older", "2025-12-31"),
      tagged("branch-today", "2026-11-27"),
      tagged("branch-new", "2026-12-01"),
    ];
    expect(expiredStages({ ResourceTagMappingList: found }, now)).toEqual(["branch-old", "branch-older"]);
  });

  test("the sweep never finds another stage, whatever its tags", () => {
    const found = [
      tagged("production", "2020-01-01"),
      tagged("staging", "2020-01-01"),
      tagged("dev-ann", "2020-01-01"),
      tagged("branch-untagged"),
      tagged("branch-strange", "soon"),
      { Tags: [] },
      {},
    ];
    expect(expiredStages({ ResourceTagMappingList: found }, now)).toEqual([]);
    expect(expiredStages({}, now)).toEqual([]);
  });
});
