import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { HostPort } from "#agent/bootstrap.ts";
import type { ConfigObject } from "#model/object.ts";
import { ControlPlane as Pilot } from "#pilot/control-plane.ts";
import type { CommandContext } from "./context.ts";
import { type ControlPlane, ControlPlaneError } from "./control-plane.ts";
import { controlPlaneFile, lastStarted } from "./objects/api-client.ts";

export interface EmbeddedOptions {
  /** Of 127.0.0.1, for xDS and for the API; 0: any free one. */
  readonly discoveryPort: number;
  readonly apiPort: number;
  /** Of the whole mesh: commands find the API by a file in it. */
  readonly stateFolder: string;
  /** Files and folders of people's own configuration. */
  readonly config: readonly string[];
  readonly context: CommandContext;
  onEvent(message: string): void;
}

const host = "127.0.0.1";
const stopMs = 500;

/** Pilot in this very process. */
export class EmbeddedControlPlane implements ControlPlane {
  readonly discovery: HostPort;
  readonly api: string;
  readonly #pilot: Pilot;
  readonly #forget: () => void;

  /** Throws ControlPlaneError. */
  static async start(options: EmbeddedOptions): Promise<EmbeddedControlPlane> {
    const { context, stateFolder, config, discoveryPort, apiPort, onEvent } = options;
    const { clock, random, version } = context;
    try {
      const pilot = new Pilot({
        ...{ clock, random, version },
        stateFolder: join(stateFolder, "pilot"),
        configPaths: config,
        grpc: { host, port: discoveryPort },
        http: { host, port: apiPort },
        log: (level, message) => {
          if (level !== "info") onEvent(message);
        },
      });
      const { grpc, http } = await pilot.start();
      return new EmbeddedControlPlane(pilot, { grpc: grpc.port, http: http.port }, options);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new ControlPlaneError(
        `the control plane does not start: ${error.message}${portHint(error)}`,
        { cause: error },
      );
    }
  }

  private constructor(
    pilot: Pilot,
    ports: { readonly grpc: number; readonly http: number },
    { stateFolder, context }: EmbeddedOptions,
  ) {
    this.#pilot = pilot;
    this.discovery = { host, port: ports.grpc };
    this.api = `http://${host}:${ports.http}`;
    this.#forget = announce(stateFolder, { pid: context.pid, api: this.api });
  }

  async apply(objects: readonly ConfigObject[]): Promise<void> {
    this.#pilot.apply(objects, { author: "heddle up", message: "the programs of the project" });
  }

  async leave(nodeId: string): Promise<void> {
    await this.#pilot.leave(nodeId);
  }

  async setHealth(nodeId: string, healthy: boolean): Promise<void> {
    this.#pilot.registration.reportHealth(nodeId, healthy);
  }

  async stop(): Promise<void> {
    this.#forget();
    await this.#pilot.stop(stopMs);
  }
}

interface Announcement {
  readonly pid: number;
  readonly api: string;
}

/** For commands in this folder, and for those that are started elsewhere. The result takes it back. */
function announce(stateFolder: string, mesh: Announcement): () => void {
  const files = [join(stateFolder, controlPlaneFile), lastStarted()];
  for (const file of files) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${JSON.stringify(mesh)}\n`);
  }
  return () => {
    // Another one may have been started since.
    for (const file of files) if (pidIn(file) === mesh.pid) rmSync(file, { force: true });
  };
}

function pidIn(file: string): unknown {
  try {
    const mesh: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof mesh === "object" && mesh !== null && "pid" in mesh ? mesh.pid : undefined;
  } catch {
    return undefined;
  }
}

function portHint(error: Error): string {
  return "code" in error && error.code === "EADDRINUSE"
    ? "; choose another port with --xds-port or --api-port, 0 is any"
    : "";
}
