import { beforeAll, describe, expect, test } from "vitest";
import { type AnswerExamples, answerExample, EXAMPLES_FILE, requests } from "#functions/openapi/examples.ts";
import { operations } from "#functions/openapi/operations.ts";
import { captureExamples } from "#test/support/examples.ts";

let captured: AnswerExamples;

beforeAll(async () => {
  captured = await captureExamples();
}, 60_000);

describe("the response examples of the OpenAPI document", () => {
  test("the response examples equal the responses of the served app", async () => {
    await expect(`${JSON.stringify(captured, null, 1)}\n`).toMatchFileSnapshot(EXAMPLES_FILE.pathname);
  });

  test.each(operations)(
    "the examples of $operationId cover each status with a body",
    ({ operationId, successes, errors }) => {
      const bodies = Object.entries(successes).filter(([, success]) => success.body !== undefined);
      for (const status of [...bodies.map(([status]) => status), ...errors]) {
        expect(answerExample(operationId, status)).toBeDefined();
      }
    },
  );
});

test("each operation with a request body has an example that the app accepted", () => {
  const withBody = operations.filter(({ request }) => request !== undefined).map(({ operationId }) => operationId);
  expect(Object.keys(requests).toSorted()).toEqual(withBody.toSorted());
  for (const operationId of withBody) expect(captured[operationId]).toHaveProperty("200");
});
