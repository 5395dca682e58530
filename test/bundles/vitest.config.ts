import { defineConfig } from "vitest/config";

/** Tests of the built bundles. They are a separate run, because they need no engine and do not test behaviour. */
export default defineConfig({
  test: {
    include: ["test/bundles/*.test.ts"],
    // Each file builds everything, in the one folder of the deployment.
    fileParallelism: false,
    hookTimeout: 60_000,
    testTimeout: 60_000,
  },
});
