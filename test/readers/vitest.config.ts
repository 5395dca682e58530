import { defineConfig } from "vitest/config";

/** Reads documents with external programs, which are built from the Go module proxy first. `npm test` does not include it. */
export default defineConfig({
  test: { include: ["test/readers/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 900_000 },
});
