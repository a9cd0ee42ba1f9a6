/** The relay as a real process: started, killed and started again on the same port and data. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const PYTHON = process.env.CRDT_SYNC_PYTHON ?? resolve(import.meta.dirname, "../../.venv/bin/python");

export class Relay {
  readonly data = mkdtempSync(join(tmpdir(), "crdt-sync-web-"));
  port = 0;
  private process: ChildProcess | null = null;
  private output = "";

  constructor(
    private readonly args: string[] = [],
    private readonly env: Record<string, string> = {},
  ) {}

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Resolves once the relay listens. */
  async start(): Promise<void> {
    const args = ["-m", "crdt_sync_server", "serve", "--port", String(this.port), "--data", this.data, ...this.args];
    const child = spawn(PYTHON, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...this.env } });
    this.process = child;
    await new Promise<void>((listens, fails) => {
      const read = (chunk: Buffer) => {
        this.output += chunk.toString();
        const found = /:\/\/127\.0\.0\.1:(\d+)/.exec(this.output);
        if (found) {
          this.port = Number(found[1]);
          listens();
        }
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("error", fails);
      child.once("exit", () => fails(new Error(`the relay did not start:\n${this.output}`)));
    });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    rmSync(this.data, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { process: child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve_) => child.once("exit", () => resolve_()));
    child.kill(signal);
    await gone;
  }
}
