import type { JsonObject } from "@bufbuild/protobuf";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import type { InboundPort, OutboundPort } from "#model/local-ports.ts";
import { type HostPort, renderBootstrap } from "./bootstrap.ts";
import { writeBootstrap } from "./bootstrap-file.ts";
import { type MeshRelease, workloadLabels, workloadName } from "./mesh-objects.ts";
import type { PortClaims } from "./port-claims.ts";
import { type ProxyProgram, Sidecar } from "./sidecar.ts";

/** What is the same for all workloads that one command starts. */
export interface LocalHost {
  /** Where bootstraps are written. */
  readonly folder: string;
  readonly claims: PortClaims;
  readonly proxy: ProxyProgram;
  readonly discovery: HostPort;
  /** Of the proxies. */
  readonly env: Readonly<Record<string, string>>;
  readonly drainMs: number;
  readonly readyMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** A proxy's process runs from now on. */
  onStart?: ((pid: number) => void) | undefined;
}

export interface LocalPort {
  readonly port: number;
  /** Where the program listens; undefined: on a port that we choose. */
  readonly target: number | undefined;
}

export interface LocalWorkloadSpec {
  readonly release: MeshRelease;
  /** This one among its like. */
  readonly instance: string;
  readonly ports: readonly LocalPort[];
  readonly upstreams: readonly { readonly host: string; readonly port: number }[];
  /** Somebody reports its health to Pilot: before the first good word nobody calls it. */
  readonly watched: boolean;
  onLine(line: string): void;
  onEvent(message: string): void;
}

const loopback = "127.0.0.1";

/** A program's place in the mesh on this machine: its ports, its sidecar, and what the program must know. */
export class LocalWorkload {
  readonly name: string;
  readonly nodeId: string;
  readonly sidecar: Sidecar;
  readonly inbound: readonly InboundPort[];
  readonly outbound: readonly OutboundPort[];
  readonly admin: HostPort;
  readonly httpProxy: HostPort;
  readonly #spec: LocalWorkloadSpec;

  /** Chooses the ports and writes the bootstrap; starts nothing. */
  static async prepare(spec: LocalWorkloadSpec, host: LocalHost): Promise<LocalWorkload> {
    const group = workloadName(spec.release);
    const name = `${group}-${spec.instance}`;
    const claim = (what: string): Promise<number> =>
      host.claims.claim(`${spec.release.service.namespace}/${name}/${what}`);
    const inbound: InboundPort[] = [];
    for (const { port, target } of spec.ports) {
      inbound.push({
        servicePort: port,
        bind: loopback,
        port: await claim(`inbound ${port}`),
        appAddress: loopback,
        appPort: target ?? (await claim(`program ${port}`)),
      });
    }
    const outbound: OutboundPort[] = [];
    for (const upstream of spec.upstreams) {
      const bindPort = await claim(`upstream ${upstream.host}:${upstream.port}`);
      outbound.push({ ...upstream, bind: loopback, bindPort });
    }
    const admin = { host: loopback, port: await claim("admin") };
    const httpProxy = { host: loopback, port: await claim("http proxy") };
    return new LocalWorkload(spec, host, { name, inbound, outbound, admin, httpProxy });
  }

  private constructor(
    spec: LocalWorkloadSpec,
    host: LocalHost,
    places: Pick<LocalWorkload, "name" | "inbound" | "outbound" | "admin" | "httpProxy">,
  ) {
    this.#spec = spec;
    this.name = places.name;
    this.inbound = places.inbound;
    this.outbound = places.outbound;
    this.admin = places.admin;
    this.httpProxy = places.httpProxy;
    const { folder, proxy, env, drainMs, readyMs, clock, random } = host;
    const bootstrap = this.#bootstrap(host.discovery);
    this.nodeId = bootstrap.node?.id ?? "";
    const bootstrapFile = writeBootstrap(folder, this.name, bootstrap);
    const { onLine, onEvent } = spec;
    this.sidecar = new Sidecar({
      name: `${this.name}'s proxy`,
      ...{ proxy, bootstrapFile, admin: this.admin, env, drainMs, readyMs, clock, random },
      onStart: host.onStart,
      onLine,
      onEvent,
    });
  }

  #bootstrap(discovery: HostPort): ReturnType<typeof renderBootstrap> {
    const { release } = this.#spec;
    const { service, version } = release;
    const group = workloadName(release);
    return renderBootstrap({
      workload: {
        type: "sidecar",
        name: this.name,
        namespace: service.namespace,
        workloadName: group,
        labels: {
          ...workloadLabels(release),
          "service.istio.io/canonical-name": service.name,
          "service.istio.io/canonical-revision": version,
        },
        serviceAccount: service.name,
        address: loopback,
        domain: service.domain,
        metadata: this.#probe(),
        group,
        ports: {
          inbound: this.inbound,
          outbound: this.outbound,
          httpProxy: { bind: this.httpProxy.host, port: this.httpProxy.port },
        },
      },
      discovery,
      admin: this.admin,
    });
  }

  #probe(): JsonObject {
    const [first] = this.inbound;
    if (!this.#spec.watched || first === undefined) return {};
    return { PROXY_CONFIG: { readinessProbe: { tcpSocket: { port: first.appPort } } } };
  }

  /** Variables of the program: where to listen, and the way into the mesh. */
  programVariables(): Readonly<Record<string, string>> {
    const { host, port } = this.httpProxy;
    const proxy = `http://${host}:${port}`;
    const direct = "localhost,127.0.0.1,::1";
    const variables: Record<string, string> = {
      SERVICE_NAME: this.#spec.release.service.name,
      SERVICE_VERSION: this.#spec.release.version,
      HTTP_PROXY: proxy,
      http_proxy: proxy,
      NO_PROXY: direct,
      no_proxy: direct,
      // Node 24 and newer take the four above when they are told to.
      NODE_USE_ENV_PROXY: "1",
    };
    const [first] = this.inbound;
    if (first !== undefined) variables["PORT"] = String(first.appPort);
    for (const { servicePort, appPort } of this.inbound)
      variables[`PORT_${servicePort}`] = String(appPort);
    for (const { host: upstream, port: upstreamPort, bind, bindPort } of this.outbound) {
      const prefix = `${variableName(upstream)}_SERVICE`;
      variables[`${prefix}_HOST`] ??= bind;
      variables[`${prefix}_PORT`] ??= String(bindPort);
      variables[`${prefix}_PORT_${upstreamPort}`] = String(bindPort);
    }
    return variables;
  }
}

/** `mongo-db.shop` becomes `MONGO_DB_SHOP`, as Kubernetes spells its variables. */
function variableName(host: string): string {
  return host.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}
