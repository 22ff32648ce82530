import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ProxyProgram } from "#agent/sidecar.ts";
import { ConfigFileError } from "#config/config-file-error.ts";
import type { CommandContext } from "../context.ts";
import { EmbeddedControlPlane } from "../embedded-control-plane.ts";
import { UsageError } from "../flags.ts";
import type { Project } from "../project/project.ts";
import { Interrupts } from "./interrupts.ts";
import { Mesh } from "./mesh.ts";
import { isForPeople } from "./people-errors.ts";
import { StateFolder } from "./state-folder.ts";
import { Lines } from "./terminal.ts";

export interface SessionOptions {
  readonly project: Project;
  readonly stateFolder: string;
  /** 0: any free one. */
  readonly discoveryPort: number;
  readonly apiPort: number;
  readonly proxy: ProxyProgram;
  /** Programs' own lines go to their logs alone. */
  readonly quiet: boolean;
  readonly context: CommandContext;
  /** Everything is up; ends the session when it resolves. */
  onReady(session: Session): Promise<void>;
}

/** A mesh that runs until somebody ends it. */
export interface Session {
  readonly mesh: Mesh;
  readonly controlPlane: EmbeddedControlPlane;
  readonly interrupts: Interrupts;
  readonly startedInMs: number;
  readonly lines: Lines;
}

const problemExit = 1;

/** Runs a project from start to stop, and frees whatever it took on every way out. The result is an exit code. */
export async function runSession(options: SessionOptions): Promise<number> {
  const { context } = options;
  const interrupts = new Interrupts();
  let state: StateFolder | undefined;
  try {
    state = StateFolder.open(options.stateFolder, context.pid);
    return await serve(options, state, interrupts);
  } catch (error) {
    if (!isForPeople(error)) throw error;
    context.terminal.stderr.write(`heddle: ${error.message}\n`);
    return error instanceof ConfigFileError ? 65 : problemExit;
  } finally {
    state?.release();
    interrupts.release();
  }
}

async function serve(
  options: SessionOptions,
  state: StateFolder,
  interrupts: Interrupts,
): Promise<number> {
  const { context, project, proxy, quiet } = options;
  const { clock, random, terminal, pid } = context;
  const began = clock.monotonicMs();
  const lines = new Lines(terminal, namesOf(project));
  const controlPlane = await EmbeddedControlPlane.start({
    discoveryPort: options.discoveryPort,
    apiPort: options.apiPort,
    stateFolder: state.path,
    config: project.config,
    context,
    onEvent: (message) => lines.event("pilot", message),
  });
  const mesh = new Mesh({
    ...{ project, state, proxy, controlPlane, clock, random },
    owner: pid,
    environment: terminal.environment,
    onProgramLine: (name, line, stream) => {
      state.log(name, line);
      if (!quiet) lines.program(name, line, stream);
    },
    onProxyLine: (name, line) => {
      state.log(`${name}-proxy`, line);
      // While all ends, proxies say that their Pilot is gone.
      if (!quiet && !interrupts.raised) lines.event(name, `proxy: ${line}`);
    },
    onEvent: (name, message) => lines.event(name, message),
  });
  interrupts.onSecond(() => mesh.kill());
  try {
    const up = mesh.start();
    const interrupted = interrupts.first.then(() => "interrupted" as const);
    if ((await Promise.race([up, interrupted])) !== "interrupted") {
      const startedInMs = clock.monotonicMs() - began;
      const ready = options.onReady({ mesh, controlPlane, interrupts, startedInMs, lines });
      await Promise.race([ready, interrupts.first]);
    }
    // What was still starting fails now that it is told to stop.
    up.catch(() => {});
  } finally {
    await mesh.stop();
    await controlPlane.stop();
  }
  return 0;
}

function namesOf({ services }: Project): readonly string[] {
  const programs = services.flatMap(({ name, releases }) =>
    releases.map(({ version }) => `${name}-${version}`),
  );
  return [...programs, "gateway", "pilot"];
}

/** Heddle's own proxy, or an Envoy at this path. */
export function proxyProgram(
  path: string | undefined,
  { self, folder }: CommandContext,
): ProxyProgram {
  if (path === undefined) return { kind: "heddle", command: [...self, "proxy"] };
  const envoy = resolve(folder, path);
  if (!existsSync(envoy)) throw new UsageError(`--proxy ${path}: not found`);
  return { kind: "envoy", command: [envoy] };
}
