import { defineConfig } from "vitest/config";

/**
 * Runs the built bundles under Lambda's own runtime client, which is installed separately: `npm ci --prefix .ci/runtime-client`.
 */
export default defineConfig({
  test: {
    include: ["test/runtime/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
