/** Asserts the common form of errors. */

import { expect } from "vitest";
import type { Answer } from "./world.ts";

/** Asserts an error's status, its text, and the common form of errors. */
export function expectError(answer: Answer, status: number, says: RegExp): void {
  expect(answer.status, answer.text).toBe(status);
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(Object.keys(answer.body).sort()).toEqual(["details", "message"]);
  expect(answer.body.message).toMatch(says);
  expect(answer.body.details.length).toBeGreaterThan(0);
  expect(answer.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
}
