import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { exitCodeOf, Program } from "#agent/child-process.ts";
import { takesConnections } from "#agent/health-probe.ts";
import { claimInstance, type InstanceClaim } from "#agent/instance-claim.ts";
import { LocalWorkload } from "#agent/local-workload.ts";
import {
  type MeshRelease,
  serviceEntry,
  serviceHost,
  workloadGroup,
  workloadName,
} from "#agent/mesh-objects.ts";
import { PortClaims } from "#agent/port-claims.ts";
import type { InboundPort } from "#model/local-ports.ts";
import type { CommandContext } from "./context.ts";
import { type ControlPlane, ControlPlaneError } from "./control-plane.ts";
import { definedOf } from "./mesh/mesh.ts";
import { isForPeople } from "./mesh/people-errors.ts";
import { ApiClient, findServer } from "./objects/api-client.ts";
import { authorOf } from "./objects/object-command.ts";
import { RemoteControlPlane } from "./remote-control-plane.ts";
import { parseRun, type RunOptions } from "./run-flags.ts";
import { userFolder } from "./user-folder.ts";

const drainMs = 5_000;
const readyMs = 60_000;
/** How long others may take to hear that the program goes, before it is told to. */
const leaveMs = 2_000;
const hintAfterMs = 10_000;
const pollMs = 100;
/** How often Pilot hears that the program is well. */
const reportMs = 5_000;

const problemExit = 1;
/** sysexits' EX_UNAVAILABLE. */
const unavailableExit = 69;

/** `heddle run`: any program, in the mesh. The result is the program's own exit code. */
export async function runRun(argv: readonly string[], context: CommandContext): Promise<number> {
  const options = parseRun(argv, context);
  if (typeof options === "number") return options;
  const { terminal } = context;
  const environment = terminal.environment;
  const server = findServer({ flag: options.server, environment, folder: context.folder });
  let controlPlane: ControlPlane;
  try {
    controlPlane = await RemoteControlPlane.connect(new ApiClient(server), authorOf(terminal));
  } catch (error) {
    if (!(error instanceof ControlPlaneError)) throw error;
    terminal.stderr.write(`heddle run: ${error.message}\n`);
    return unavailableExit;
  }
  const run = new Run(options, controlPlane, context);
  try {
    return await run.untilEnd();
  } catch (error) {
    if (!isForPeople(error)) throw error;
    terminal.stderr.write(`heddle run: ${error.message}\n`);
    return "exitCode" in error && typeof error.exitCode === "number" ? error.exitCode : problemExit;
  } finally {
    await run.end();
  }
}

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** After these the program is expected to end. */
const endings: readonly string[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

class Run {
  readonly #options: RunOptions;
  readonly #controlPlane: ControlPlane;
  readonly #context: CommandContext;
  readonly #release: MeshRelease;
  readonly #claims: PortClaims;
  readonly #instance: InstanceClaim;
  readonly #folder: string;
  readonly #handlers: (readonly [NodeJS.Signals, () => void])[] = [];
  #workload: LocalWorkload | undefined;
  #program: Program | undefined;
  #endedBy: NodeJS.Signals | undefined;

  constructor(options: RunOptions, controlPlane: ControlPlane, context: CommandContext) {
    this.#options = options;
    this.#controlPlane = controlPlane;
    this.#context = context;
    const { service: name, namespace, version, ports } = options;
    this.#release = { service: { name, namespace, domain: "cluster.local", ports }, version };
    const group = `${namespace}.${workloadName(this.#release)}`;
    this.#claims = new PortClaims(join(userFolder(), "ports"), context.pid);
    this.#instance = claimInstance(join(userFolder(), "instances"), group, context.pid);
    this.#folder = mkdtempSync(join(tmpdir(), "heddle-run-"));
  }

  async untilEnd(): Promise<number> {
    this.#forwardSignals();
    const { service } = this.#release;
    const objects = [workloadGroup(this.#release)];
    if (service.ports.length > 0) await this.#controlPlane.apply([serviceEntry(service)]);
    await this.#controlPlane.apply(objects);
    const workload = await this.#prepare();
    this.#workload = workload;
    const refused = await workload.sidecar.start().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // A signal that came meanwhile found no program, and ended the sidecar.
    if (this.#endedBy !== undefined) return 128 + constants.signals[this.#endedBy];
    if (refused !== undefined) throw refused.error;
    const program = await this.#startProgram(workload);
    this.#program = program;
    void this.#watchHealth(workload, program);
    return exitCodeOf(await program.ended, constants.signals);
  }

  async end(): Promise<void> {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
    await this.#leave();
    await this.#workload?.sidecar.stop();
    await this.#controlPlane.stop();
    this.#claims.release();
    this.#instance.release();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #prepare(): Promise<LocalWorkload> {
    const { clock, random, terminal } = this.#context;
    const { ports, upstreams, proxy } = this.#options;
    return LocalWorkload.prepare(
      {
        release: this.#release,
        instance: this.#instance.instance,
        ...{ ports, upstreams },
        watched: true,
        onLine: (line) => this.#say(`proxy: ${line}`),
        onEvent: (message) => this.#say(message),
      },
      {
        folder: this.#folder,
        claims: this.#claims,
        proxy,
        discovery: this.#controlPlane.discovery,
        env: definedOf(terminal.environment),
        ...{ drainMs, readyMs, clock, random },
      },
    );
  }

  #startProgram(workload: LocalWorkload): Promise<Program> {
    const { command, cwd, env } = this.#options;
    return Program.start({
      command,
      cwd,
      env: {
        ...definedOf(this.#context.terminal.environment),
        ...workload.programVariables(),
        ...env,
      },
      terminal: "shared",
    });
  }

  #forwardSignals(): void {
    for (const signal of forwarded) {
      const handler = (): void => void this.#onSignal(signal);
      process.on(signal, handler);
      this.#handlers.push([signal, handler]);
    }
  }

  async #onSignal(signal: NodeJS.Signals): Promise<void> {
    const again = this.#endedBy !== undefined;
    if (endings.includes(signal)) this.#endedBy ??= signal;
    if (this.#program === undefined) {
      void this.#workload?.sidecar.stop();
      return;
    }
    // A terminal gives these to the program, too: once more would be once too often.
    if (this.#context.input?.isTTY === true && (signal === "SIGINT" || signal === "SIGQUIT"))
      return;
    // First nothing new comes in, then the program ends what it has. Who insists does not wait.
    if (endings.includes(signal) && !again) await this.#leave();
    this.#program.signal(signal);
  }

  /** Others hear that this one goes. */
  async #leave(): Promise<void> {
    const workload = this.#workload;
    if (workload === undefined) return;
    const { clock } = this.#context;
    await Promise.race([
      this.#controlPlane.leave(workload.nodeId),
      new Promise<void>((resolve) => clock.after(leaveMs, resolve)),
    ]).catch(() => {
      // Pilot is away: its proxies find out by themselves.
    });
  }

  /** Tells Pilot whether the program takes connections, again and again: a Pilot that was started anew has to hear it, too. */
  async #watchHealth({ inbound, nodeId, name }: LocalWorkload, program: Program): Promise<void> {
    const [first] = inbound;
    const { clock } = this.#context;
    if (first === undefined) {
      this.#say(`${name} is in the mesh`);
      return;
    }
    const at = { host: first.appAddress, port: first.appPort };
    const hintMs = clock.monotonicMs() + hintAfterMs;
    let state: "starting" | "hinted" | "up" = "starting";
    while (program.exit === undefined) {
      const open = await takesConnections(at);
      if (program.exit !== undefined) return;
      if (open || state === "up") await this.#report(nodeId, open);
      if (open && state !== "up") {
        state = "up";
        this.#say(
          `${name} is in the mesh as http://${this.#release.service.name}:${first.servicePort}`,
        );
      } else if (!open && state === "starting" && clock.monotonicMs() > hintMs) {
        state = "hinted";
        this.#say(this.#hint(first));
      }
      await new Promise<void>((resolve) => clock.after(open ? reportMs : pollMs, resolve));
    }
  }

  #hint({ appAddress, appPort, servicePort }: InboundPort): string {
    const host = serviceHost(this.#release.service);
    return `${host} cannot be called yet: nothing listens on ${appAddress}:${appPort}. The program is to listen on the port in the variable PORT; if it listens on one of its own, say so: --port ${servicePort}:<its port>`;
  }

  async #report(nodeId: string, healthy: boolean): Promise<void> {
    try {
      await this.#controlPlane.setHealth(nodeId, healthy);
    } catch (error) {
      // Pilot is away; the next report may find it.
      if (!(error instanceof ControlPlaneError)) throw error;
    }
  }

  #say(line: string): void {
    this.#context.terminal.stderr.write(`heddle: ${line}\n`);
  }
}
