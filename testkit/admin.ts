import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { type Address, ipAddress, pipeAddress } from "#net/address.ts";
import { AdminServer } from "#proxy/admin/server.ts";
import type { AdminSource } from "#proxy/admin/source.ts";
import { LayeredRuntime } from "#proxy/runtime-layers.ts";
import { MainStats } from "#proxy/stats/main-stats.ts";
import type { StreamInfo } from "#proxy/stream-info.ts";
import type { HostStatus } from "#proxy/worker-protocol.ts";
import { FakeClock } from "./fake-clock.ts";

const failedCheck = {
  failed: true,
  degraded: false,
  pending: false,
  excluded: false,
  timedOut: false,
  leaving: false,
};

const host: HostStatus = {
  address: "127.0.0.1:43847",
  hostname: "",
  health: "healthy",
  edsHealth: "UNKNOWN",
  check: undefined,
  ejected: false,
  degradedByOutlier: false,
  weight: 1,
  priority: 0,
  region: "",
  zone: "",
  subZone: "",
  connectionsActive: 1,
  connectFailures: 0,
  connectionsTotal: 1,
  requestsActive: 0,
  requestsError: 0,
  requestsSuccess: 1,
  requestsTimeout: 0,
  requestsTotal: 1,
  successRate: -1,
  localOriginSuccessRate: -1,
};

const filter = {
  "@type":
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  statPrefix: "c00",
  routeConfig: { name: "c00", virtualHosts: [{ name: "all", domains: ["*"] }] },
};

const bootstrap: BootstrapJson = {
  node: { id: "node-1", cluster: "cl-1", metadata: { camelCase: 1 } },
  admin: { address: { socketAddress: { address: "127.0.0.1", portValue: 0 } } },
  staticResources: {
    listeners: [
      {
        name: "c00-main",
        filterChains: [
          {
            filters: [
              {
                name: "hcm",
                typedConfig: filter,
              },
            ],
          },
        ],
      },
    ],
    clusters: [
      { name: "c00-main", type: "STATIC", connectTimeout: "1s" },
      {
        name: "other",
        altStatName: "alt",
        circuitBreakers: { thresholds: [{ priority: "HIGH", maxConnections: 10 }] },
      },
    ],
  },
};

/** A proxy with one listener and two clusters; `did` is what the pages did to it, in order. */
export class FakeSource implements AdminSource {
  readonly bootstrap: BootstrapJson;
  readonly stats: MainStats = new MainStats();
  readonly version = "heddle/1.2.3";
  readonly commandLine: Readonly<Record<string, unknown>> = { concurrency: 1 };
  readonly uptimeMs = 61_500;
  state = "LIVE";
  readonly did: unknown[] = [];
  readonly logged: StreamInfo[] = [];
  readonly accessLogs: AdminSource["accessLogs"] & object = [
    { log: (info) => void this.logged.push(info) },
  ];
  readonly logLevels: Map<string, string> = new Map([
    ["admin", "warning"],
    ["main", "warning"],
  ]);
  readonly #runtime: LayeredRuntime = new LayeredRuntime({
    layers: [{ name: "s", staticLayer: { a: 1, b: { c: "x" } } }],
  });

  constructor(extra: BootstrapJson = {}) {
    this.bootstrap = { ...bootstrap, ...extra };
  }

  readonly listeners: AdminSource["listeners"] = [
    { name: "c00-main", addresses: [ipAddress("127.0.0.1", 43103), ipAddress("::1", 80)] },
    { name: "uds", addresses: [pipeAddress("/run/x.sock")] },
  ];

  clusters(): Promise<ReadonlyMap<string, readonly HostStatus[]>> {
    const sick = {
      ...host,
      address: "[::1]:4",
      hostname: "h",
      health: "unhealthy",
      check: failedCheck,
      priority: 1,
    };
    return Promise.resolve(
      new Map([
        ["c00-main", [host]],
        ["other", [sick, { ...host, address: "/x.sock", edsHealth: "DRAINING", zone: "z" }]],
      ]),
    );
  }

  members(cluster: string): ReturnType<AdminSource["members"]> {
    if (cluster !== "c00-main") return undefined;
    const endpoint = {
      address: ipAddress("127.0.0.1", 43847),
      hostname: "",
      weight: 1,
      health: "healthy",
      edsHealth: "UNKNOWN",
      metadata: undefined,
      locality: { region: "", zone: "", subZone: "" },
      priority: 0,
    } as const;
    return {
      cluster,
      endpoints: [endpoint],
      localityWeights: {},
      overprovisioningFactor: 140,
      dropFraction: 0,
    };
  }

  setLogLevels(levels: ReadonlyMap<string, string>): undefined {
    for (const [name, level] of levels) this.logLevels.set(name, level);
  }

  runtime(): ReturnType<AdminSource["runtime"]> {
    return this.#runtime.listing();
  }

  modifyRuntime(values: ReadonlyMap<string, string>): string | undefined {
    this.did.push([...values]);
    return values.has("refused") ? "No admin layer specified" : undefined;
  }

  setHealthFailed(failed: boolean): void {
    this.state = failed ? "DRAINING" : "LIVE";
  }

  drain(options: unknown): void {
    this.did.push(options);
  }

  reopenLogs(): void {
    this.did.push("reopen");
  }

  quit(): void {
    this.did.push("quit");
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  readonly body?: string;
}

export function ask(
  to: Address,
  path: string,
  { method = "GET", body }: Ask = {},
): Promise<Answer> {
  const target = to.family === "pipe" ? { socketPath: to.ip } : { host: to.ip, port: to.port };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ ...target, path, method, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

export interface RunningAdmin {
  readonly source: FakeSource;
  readonly clock: FakeClock;
  readonly address: Address;
  get(path: string): Promise<Answer>;
  post(path: string, body?: string): Promise<Answer>;
  close(): void;
}

/** An admin server on a free port. */
export async function startAdmin(
  extra: BootstrapJson = {},
  at: Address = ipAddress("127.0.0.1", 0),
): Promise<RunningAdmin> {
  const source = new FakeSource(extra);
  const clock = new FakeClock();
  const server = new AdminServer(source, clock);
  const address = await server.listen(at);
  return {
    source,
    clock,
    address,
    get: (path) => ask(address, path),
    post: (path, body) =>
      ask(address, path, body === undefined ? { method: "POST" } : { method: "POST", body }),
    close: () => server.close(),
  };
}
