import { defineConfig } from "vitest/config";

/** Runs scripts on test machines, which need root, debootstrap and Debian's packages. `npm test` does not include them. */
export default defineConfig({
  test: {
    include: ["test/nodes/**/*.test.ts"],
    // All tests use one machine, in order.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
