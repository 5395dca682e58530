import { beforeAll, describe, expect, test } from "vitest";
import { routeRows } from "#functions/api/routes.ts";
import { EXAMPLES_FILE, findResponseExample, type ResponseExamples, requests } from "#functions/openapi/examples.ts";
import { descriptions } from "#functions/openapi/operations.ts";
import { captureExamples } from "#test/support/examples.ts";

let captured: ResponseExamples;

beforeAll(async () => {
  captured = await captureExamples();
}, 60_000);

describe("the response examples of the OpenAPI document", () => {
  test("the response examples equal the responses of the served app", async () => {
    await expect(`${JSON.stringify(captured, null, 1)}\n`).toMatchFileSnapshot(EXAMPLES_FILE.pathname);
  });

  test.each(routeRows)("the examples of $id cover each status with a body", ({ id }) => {
    const { successes, errors } = descriptions[id];
    for (const status of [...(200 in successes ? [200] : []), ...errors]) {
      expect(findResponseExample(id, status)).toBeDefined();
    }
  });
});

test("each operation with a request body has an example that the app accepted", () => {
  const withBody = routeRows.filter(({ body }) => body !== undefined).map(({ id }) => id);
  expect(Object.keys(requests).toSorted()).toEqual(withBody.toSorted());
  for (const operationId of withBody) expect(captured[operationId]).toHaveProperty("200");
});
