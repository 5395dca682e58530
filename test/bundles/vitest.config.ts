import { defineConfig } from "vitest/config";

/** What is built: a step of its own, because it needs no engine and says nothing about behaviour. */
export default defineConfig({
  test: {
    include: ["test/bundles/*.test.ts"],
    // Each builds everything, in the one place it is deployed from.
    fileParallelism: false,
    hookTimeout: 60_000,
    testTimeout: 60_000,
  },
});
