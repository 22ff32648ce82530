/** A control plane made with go-control-plane, the library that most of them are made with. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const sources = fileURLToPath(new URL("go-control-plane", import.meta.url));

/** HEDDLE_GO_CONTROL_PLANE, or testkit/go-control-plane built once into the user's cache folder by the machine's Go. */
export function goControlPlanePath(): string {
  const named = variable("HEDDLE_GO_CONTROL_PLANE");
  if (named !== undefined) return named;
  const folder = join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "heddle");
  const hash = createHash("sha256");
  for (const file of ["main.go", "go.mod", "go.sum"])
    hash.update(readFileSync(join(sources, file)));
  const binary = join(folder, `go-control-plane-${hash.digest("hex").slice(0, 12)}`);
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    build(folder, binary);
  }
  return binary;
}

/** Moved into place when it is whole: test files that start at the same time do not see half of it. */
function build(folder: string, binary: string): void {
  const target = mkdtempSync(join(folder, "go-control-plane-build-"));
  const path = `${variable("PATH") ?? ""}${delimiter}/usr/local/go/bin`;
  try {
    const built = join(target, "server");
    execFileSync("go", ["build", "-o", built, "."], {
      cwd: sources,
      // biome-ignore lint/style/noProcessEnv: Go finds its proxy and its caches by it.
      env: { ...process.env, PATH: path },
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(built, binary);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

/** ProtoJSON, or the encoded message in base64. */
export type GoResource = object | string;

/** What it is to serve, to everybody. */
export interface GoSnapshot {
  readonly version: string;
  /** These take the place of those of their names; all others stay. */
  readonly patch?: boolean;
  readonly clusters?: readonly GoResource[];
  readonly endpoints?: readonly GoResource[];
  readonly listeners?: readonly GoResource[];
  readonly routes?: readonly GoResource[];
}

/** What it says, a line at a time. */
export interface GoEvent {
  readonly event: "listening" | "set" | "request";
  readonly port?: number;
  readonly node?: string;
  readonly type?: string;
  readonly version?: string;
  readonly nonce?: string;
  readonly error?: string;
  readonly names?: readonly string[];
  readonly initial?: Readonly<Record<string, string>>;
}

export class GoControlPlane {
  readonly events: GoEvent[] = [];
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  #waiting: { readonly test: () => boolean; readonly done: () => void }[] = [];

  /** On a free port, or on one that it had before. Quiet: it does not say what clients ask. */
  static async start(
    port = 0,
    { quiet = false }: { readonly quiet?: boolean } = {},
  ): Promise<GoControlPlane> {
    const server = new GoControlPlane(port, quiet);
    await Promise.race([server.until(() => server.events.length > 0), server.#ended]);
    if (server.events.length === 0) throw new Error("go-control-plane has not started");
    return server;
  }

  private constructor(port: number, quiet: boolean) {
    this.#process = spawn(goControlPlanePath(), ["-port", String(port), `-quiet=${quiet}`]);
    this.#process.stderr.pipe(process.stderr);
    this.#ended = new Promise((resolve) => this.#process.once("exit", () => resolve()));
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      // Proof: main.go prints nothing else.
      this.events.push(JSON.parse(line) as GoEvent);
      const waiting = this.#waiting;
      this.#waiting = waiting.filter(({ test, done }) => {
        const over = test();
        if (over) done();
        return !over;
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get port(): number {
    return this.events[0]?.port ?? 0;
  }

  /** Requests of a type, by its name (`Cluster`). */
  requests(type: string): readonly GoEvent[] {
    return this.events.filter((one) => one.event === "request" && one.type?.endsWith(`.${type}`));
  }

  async set(snapshot: GoSnapshot): Promise<void> {
    this.#process.stdin.write(`${JSON.stringify(snapshot)}\n`);
    const isSet = (one: GoEvent): boolean =>
      one.event === "set" && one.version === snapshot.version;
    await this.until(() => this.events.some(isSet));
  }

  /** Resolves when something it says makes `test` true. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((done) => {
      this.#waiting.push({ test, done });
    });
  }

  /** At once, as a crash would. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}

function variable(name: string): string | undefined {
  // biome-ignore lint/style/noProcessEnv: where tools are is the machine's choice, not a test's.
  const value = process.env[name];
  return value === "" ? undefined : value;
}
