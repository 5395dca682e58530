import { defineConfig } from "vitest/config";

/** Scripts run on machines of their own, which need root, debootstrap and Debian's packages; `npm test` does without. */
export default defineConfig({
  test: {
    include: ["test/nodes/**/*.test.ts"],
    // One machine, on which one thing happens after the other.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
