// Node 20 has no WebSocket of its own and no IndexedDB; in a browser both are there (tests/e2e).
import "fake-indexeddb/auto";
import { WebSocket } from "ws";

if (!("WebSocket" in globalThis)) Object.assign(globalThis, { WebSocket });
