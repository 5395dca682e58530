import { defineConfig } from "vitest/config";

/** The Dockerfile's steps in a folder, which needs root, debootstrap and the packages' registry; `npm test` does without. */
export default defineConfig({
  test: {
    include: ["test/container/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
