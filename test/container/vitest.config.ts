import { defineConfig } from "vitest/config";

/**
 * Runs the Dockerfile's steps in a folder, which needs root, debootstrap and the package registry. `npm test` does not include
 * it.
 */
export default defineConfig({
  test: {
    include: ["test/container/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
