/** Asserts the common form of errors. */

import { expect } from "vitest";
import type { TestResponse } from "./world.ts";

/** Asserts an error's status, its text, and the common form of errors. */
export function expectError(response: TestResponse, status: number, says: RegExp): void {
  expect(response.status, response.text).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(Object.keys(response.body).sort()).toEqual(["details", "message"]);
  expect(response.body.message).toMatch(says);
  expect(response.body.details.length).toBeGreaterThan(0);
  expect(response.headers.get("x-request-id")).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
}
