import { join } from "node:path";
import { ProgramNotStarted } from "#agent/child-process.ts";
import type { HealthProbe } from "#agent/health-probe.ts";
import { LocalGateway } from "#agent/local-gateway.ts";
import { type LocalHost, LocalWorkload } from "#agent/local-workload.ts";
import { type MeshRelease, serviceEntry, workloadGroup } from "#agent/mesh-objects.ts";
import { PortClaims } from "#agent/port-claims.ts";
import { ProgramKeeper } from "#agent/program-keeper.ts";
import type { ProxyProgram } from "#agent/sidecar.ts";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { ConfigObject } from "#model/object.ts";
import type { ControlPlane } from "../control-plane.ts";
import type {
  GatewayPort,
  HealthSpec,
  Project,
  ReleaseSpec,
  ServiceSpec,
} from "../project/project.ts";
import { userFolder } from "../user-folder.ts";
import type { StateFolder } from "./state-folder.ts";

export interface MeshOptions {
  readonly project: Project;
  readonly state: StateFolder;
  readonly proxy: ProxyProgram;
  readonly controlPlane: ControlPlane;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly owner: number;
  readonly clock: Clock;
  readonly random: Random;
  onProgramLine(name: string, line: string, stream: "stdout" | "stderr"): void;
  onProxyLine(name: string, line: string): void;
  onEvent(name: string, message: string): void;
}

/** A program with its sidecar. */
export interface Member {
  readonly service: ServiceSpec;
  readonly release: ReleaseSpec;
  readonly workload: LocalWorkload;
  readonly program: ProgramKeeper;
}

export class MeshNotStarted extends Error {}

const domain = "cluster.local";
const gatewayNamespace = "istio-system";
const readyMs = 60_000;
const drainMs = 2_000;
const programGraceMs = 5_000;

/** The programs of a project, each beside its sidecar, and the gateway in front of them. */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #claims: PortClaims;
  #members: readonly Member[] = [];
  #gateway: LocalGateway | undefined;
  #stopping = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#claims = new PortClaims(join(userFolder(), "ports"), options.owner);
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  get gateway(): LocalGateway | undefined {
    return this.#gateway;
  }

  /** Resolves when everything is healthy. When it throws, `stop` is still to be called. */
  async start(): Promise<void> {
    const { project, controlPlane } = this.#options;
    await controlPlane.apply(meshObjects(project));
    const host = this.#host();
    await this.#prepareGateway(host);
    const members: Member[] = [];
    for (const service of project.services) {
      for (const release of service.releases) {
        for (let index = 1; index <= release.replicas; index++)
          members.push(await this.#prepare(host, { service, release, index }));
      }
    }
    this.#members = members;
    const started = new Map<string, Promise<void>>();
    const all = project.services.map(({ name }) => this.#startService(name, started));
    await Promise.all([this.#gateway?.proxy.start(), ...all]);
  }

  /** Ends everything: what sends before what is sent to. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#gateway?.proxy.stop();
    const members = [...this.#members].reverse();
    await Promise.all(members.map(({ program }) => program.stop(programGraceMs)));
    await Promise.all(members.map(({ workload }) => workload.sidecar.stop()));
    this.#claims.release();
  }

  /** Ends everything at once; `stop` is under way. */
  kill(): void {
    this.#gateway?.proxy.kill();
    for (const { program, workload } of this.#members) {
      program.kill();
      workload.sidecar.kill();
    }
  }

  #host(): LocalHost {
    const { state, proxy, controlPlane, clock, random } = this.#options;
    return {
      folder: state.folder("proxies"),
      claims: this.#claims,
      proxy,
      discovery: controlPlane.discovery,
      env: { ...definedOf(this.#options.environment), ...state.mark },
      ...{ drainMs, readyMs, clock, random },
      onStart: (pid) => state.remember(pid),
    };
  }

  async #prepareGateway(host: LocalHost): Promise<void> {
    const { project, onProxyLine, onEvent } = this.#options;
    if (project.gateway === undefined) return;
    const ports: GatewayPort[] = [];
    for (const wanted of project.gateway.ports)
      ports.push({ ...wanted, local: await this.#gatewayPort(wanted) });
    const name = "istio-ingressgateway";
    this.#gateway = await LocalGateway.prepare(
      {
        name,
        namespace: gatewayNamespace,
        domain,
        labels: { istio: "ingressgateway", app: name },
        ports,
        onLine: (line) => onProxyLine("gateway", line),
        onEvent: (message) => onEvent("gateway", message),
      },
      host,
    );
  }

  async #gatewayPort({ local, orNext = 0 }: GatewayPort): Promise<number> {
    for (let port = local; port <= local + orNext; port++)
      if (await this.#claims.take(port)) return port;
    throw new MeshNotStarted(
      `port ${local} of 127.0.0.1, where the gateway is to listen, is taken by another program: name another one (heddle demo --port, or gateway in heddle.yaml)`,
    );
  }

  async #prepare(
    host: LocalHost,
    { service, release, index }: { service: ServiceSpec; release: ReleaseSpec; index: number },
  ): Promise<Member> {
    const { onProxyLine, onProgramLine, onEvent, clock, random, controlPlane } = this.#options;
    let name = "";
    const workload = await LocalWorkload.prepare(
      {
        release: meshRelease(service, release),
        instance: String(index),
        ports: service.ports,
        upstreams: release.upstreams,
        watched: release.health.kind !== "none",
        onLine: (line) => onProxyLine(name, line),
        onEvent: (message) => onEvent(name, message),
      },
      host,
    );
    name = release.replicas > 1 ? workload.name : workload.name.replace(/-1$/, "");
    const program = new ProgramKeeper({
      name,
      program: {
        command: release.command,
        cwd: release.cwd,
        env: {
          ...definedOf(this.#options.environment),
          ...workload.programVariables(),
          ...release.env,
          ...this.#options.state.mark,
        },
      },
      health: probeOf(release.health, workload),
      healthyMs: release.health.kind === "none" ? 0 : release.health.timeoutMs,
      restart: release.restart,
      ...{ clock, random },
      onStart: (pid) => this.#options.state.remember(pid),
      onLine: (line, stream) => onProgramLine(name, line, stream),
      onEvent: (message) => onEvent(name, message),
      onHealth: (healthy) => void controlPlane.setHealth(workload.nodeId, healthy),
    });
    return { service, release, workload, program };
  }

  /** Each service once, after those that it waits for; all else at the same time. */
  #startService(name: string, started: Map<string, Promise<void>>): Promise<void> {
    const known = started.get(name);
    if (known !== undefined) return known;
    const members = this.#members.filter(({ service }) => service.name === name);
    const before = members.flatMap(({ service }) => service.dependsOn);
    const start = async (): Promise<void> => {
      const sidecars = members.map(({ workload }) => workload.sidecar.start());
      const others = before.map((other) => this.#startService(other, started));
      await Promise.all([...sidecars, ...others]);
      if (this.#stopping) return;
      await Promise.all(members.map(startProgram));
    };
    const starting = start();
    started.set(name, starting);
    return starting;
  }
}

/** What Pilot must know of a project's services. */
export function meshObjects({ services }: Project): readonly ConfigObject[] {
  return services.flatMap((service) => {
    const releases = service.releases.map((release) => meshRelease(service, release));
    const [first] = releases;
    if (first === undefined) return [];
    return [serviceEntry(first.service), ...releases.map(workloadGroup)];
  });
}

function meshRelease(
  { name, namespace, ports }: ServiceSpec,
  { version }: ReleaseSpec,
): MeshRelease {
  return { service: { name, namespace, domain, ports }, version };
}

function probeOf(health: HealthSpec, { inbound }: LocalWorkload): HealthProbe | undefined {
  const [first] = inbound;
  if (health.kind === "none" || first === undefined) return undefined;
  const at = { host: first.appAddress, port: first.appPort };
  return health.kind === "tcp" ? { kind: "tcp", at } : { kind: "http", at, path: health.path };
}

export function definedOf(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment))
    if (value !== undefined) defined[name] = value;
  return defined;
}

/** Which service of the project it is stands in the message. */
function startProgram({ program, service }: Member): Promise<void> {
  return program.start().catch((cause: unknown) => {
    if (!(cause instanceof ProgramNotStarted)) throw cause;
    const message = `services.${service.name}.command: ${cause.message}`;
    throw new ProgramNotStarted(message, cause.exitCode, { cause });
  });
}
