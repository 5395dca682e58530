import { defineConfig } from "vitest/config";

/** Documents are judged by programs of others, which are built from the Go module proxy first; `npm test` does without. */
export default defineConfig({
  test: { include: ["test/readers/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 900_000 },
});
