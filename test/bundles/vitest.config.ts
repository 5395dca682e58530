import { defineConfig } from "vitest/config";

/** What is built: a step of its own, because it needs no engine and says nothing about behaviour. */
export default defineConfig({ test: { include: ["test/bundles/*.test.ts"] } });
