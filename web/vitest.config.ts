import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: [{ find: /^crdt-sync$/, replacement: resolve(import.meta.dirname, "src/index.ts") }], // as the demo reader names it
    dedupe: ["lib0", "y-protocols", "yjs"], // the demo reader has its own beside it
  },
  test: {
    include: ["test/**/*.test.ts", "test/**/*.test.tsx"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 20_000,
    restoreMocks: true,
    maxWorkers: 2, // most of the time is waiting for relays
  },
});
