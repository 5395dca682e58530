import { defineConfig } from "vitest/config";

/** Runs docs/clients.md with generators that `npm run clients:install` installs. `npm test` does not include it. */
export default defineConfig({
  test: { include: ["test/clients/**/*.test.ts"], testTimeout: 300_000, hookTimeout: 60_000 },
});
