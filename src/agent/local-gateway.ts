import { type HostPort, renderBootstrap } from "./bootstrap.ts";
import { writeBootstrap } from "./bootstrap-file.ts";
import type { LocalHost } from "./local-workload.ts";
import { Sidecar } from "./sidecar.ts";

export interface LocalGatewaySpec {
  readonly name: string;
  readonly namespace: string;
  readonly domain: string;
  /** What Gateway objects select it by. */
  readonly labels: Readonly<Record<string, string>>;
  /** A Gateway's server of port `gateway` listens on `local`. */
  readonly ports: readonly { readonly local: number; readonly gateway: number }[];
  onLine(line: string): void;
  onEvent(message: string): void;
}

const loopback = "127.0.0.1";

/** The mesh's way in on this machine: a proxy without a program. */
export class LocalGateway {
  readonly name: string;
  readonly admin: HostPort;
  readonly ports: LocalGatewaySpec["ports"];
  readonly proxy: Sidecar;

  static async prepare(spec: LocalGatewaySpec, host: LocalHost): Promise<LocalGateway> {
    const port = await host.claims.claim(`${spec.namespace}/${spec.name}/admin`);
    return new LocalGateway(spec, host, { host: loopback, port });
  }

  private constructor(spec: LocalGatewaySpec, host: LocalHost, admin: HostPort) {
    this.name = `${spec.name}-1`;
    this.admin = admin;
    this.ports = spec.ports;
    const { folder, proxy, env, drainMs, readyMs, clock, random, discovery } = host;
    const bootstrap = renderBootstrap({
      workload: {
        type: "router",
        name: this.name,
        namespace: spec.namespace,
        workloadName: spec.name,
        labels: spec.labels,
        serviceAccount: spec.name,
        address: loopback,
        domain: spec.domain,
        metadata: {},
        ports: {
          inbound: spec.ports.map(({ local, gateway }) => ({
            servicePort: gateway,
            bind: loopback,
            port: local,
            // Behind a gateway is no program.
            appAddress: loopback,
            appPort: local,
          })),
          outbound: [],
          httpProxy: undefined,
        },
      },
      discovery,
      admin,
    });
    const bootstrapFile = writeBootstrap(folder, this.name, bootstrap);
    const { onLine, onEvent } = spec;
    this.proxy = new Sidecar({
      name: spec.name,
      ...{ proxy, bootstrapFile, admin, env, drainMs, readyMs, clock, random },
      onStart: host.onStart,
      onLine,
      onEvent,
    });
  }
}
