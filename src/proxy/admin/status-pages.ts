import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { HostStatus } from "../worker-protocol.ts";
import { type AdminAnswer, type AdminPage, type AdminRequest, json } from "./page.ts";
import type { AdminSource } from "./source.ts";

export const statusPages: readonly AdminPage[] = [
  { path: "/certs", help: "print certs on machine", answer: () => json({ certificates: [] }) },
  {
    path: "/clusters",
    help: "upstream cluster status",
    parameters: [["format", "File format to use; One of (text, json)"]],
    answer: clustersAnswer,
  },
  {
    path: "/listeners",
    help: "print listener info",
    parameters: [["format", "File format to use; One of (text, json)"]],
    answer: listenersAnswer,
  },
  {
    path: "/server_info",
    help: "print server version/status information",
    answer: (_request, source) => json(serverInfo(source)),
  },
  {
    path: "/ready",
    help: "print server state, return 200 if LIVE, otherwise return 503",
    answer: (_request, source) => ({
      status: source.state === "LIVE" ? 200 : 503,
      body: `${source.state}\n`,
    }),
  },
  { path: "/memory", help: "print current allocation/heap usage", answer: () => json(memory()) },
  {
    path: "/hot_restart_version",
    help: "print the hot restart compatibility version",
    answer: () => ({ body: "disabled" }),
  },
  { path: "/init_dump", help: "dump what the proxy still waits for", answer: () => json({}) },
  {
    path: "/runtime",
    help: "print runtime values",
    answer: (_request, source) => json(runtime(source)),
  },
];

function serverInfo(source: AdminSource): unknown {
  const seconds = `${Math.floor(source.uptimeMs / 1000)}s`;
  const { node } = source.bootstrap;
  return {
    version: source.version,
    state: source.state,
    uptime_current_epoch: seconds,
    uptime_all_epochs: seconds,
    hot_restart_version: "disabled",
    command_line_options: source.commandLine,
    node: { id: node?.id ?? "", cluster: node?.cluster ?? "", user_agent_name: "heddle" },
  };
}

function memory(): unknown {
  const usage = process.memoryUsage();
  return {
    allocated: String(usage.heapUsed + usage.external),
    heap_size: String(usage.heapTotal),
    total_physical_bytes: String(usage.rss),
  };
}

function runtime(source: AdminSource): unknown {
  const { layers, entries } = source.runtime();
  const shown = Object.entries(entries).map(([key, entry]) => [
    key,
    { final_value: entry.finalValue, layer_values: entry.layerValues },
  ]);
  return { entries: Object.fromEntries(shown), layers };
}

function listenersAnswer({ query }: AdminRequest, source: AdminSource): AdminAnswer {
  if (query.get("format") !== "json") {
    const lines = source.listeners.flatMap(({ name, addresses }) =>
      addresses.map((address) => `${name}::${text(address)}\n`),
    );
    return { body: lines.join("") };
  }
  const statuses = source.listeners.map(({ name, addresses }) => {
    const [first, ...more] = addresses.map(addressJson);
    return {
      name,
      local_address: first,
      ...(more.length > 0 ? { additional_local_addresses: more } : {}),
    };
  });
  return json({ listener_statuses: statuses });
}

interface PlainAddress {
  readonly ip: string;
  readonly port: number;
  readonly family: 4 | 6 | "pipe";
}

function text({ ip, port, family }: PlainAddress): string {
  if (family === "pipe") return ip;
  return family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function addressJson({ ip, port, family }: PlainAddress): unknown {
  return family === "pipe"
    ? { pipe: { path: ip } }
    : { socket_address: { address: ip, port_value: port } };
}

async function clustersAnswer({ query }: AdminRequest, source: AdminSource): Promise<AdminAnswer> {
  const hosts = await source.clusters();
  const clusters = source.bootstrap.staticResources?.clusters ?? [];
  if (query.get("format") === "json") {
    return json({
      cluster_statuses: clusters.map((cluster) =>
        clusterJson(cluster, hosts.get(cluster.name ?? "") ?? []),
      ),
    });
  }
  return {
    body: clusters
      .map((cluster) => clusterText(cluster, hosts.get(cluster.name ?? "") ?? []))
      .join(""),
  };
}

const thresholdDefaults = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
} as const;

function clusterText(cluster: ClusterJson, hosts: readonly HostStatus[]): string {
  const name = cluster.name ?? "";
  const lines = [`${name}::observability_name::${cluster.altStatName ?? name}`];
  for (const priority of ["DEFAULT", "HIGH"] as const) {
    const limits = cluster.circuitBreakers?.thresholds?.find(
      (item) => (item.priority ?? "DEFAULT") === priority,
    );
    const word = `${priority.toLowerCase()}_priority`;
    lines.push(
      `${name}::${word}::max_connections::${limits?.maxConnections ?? thresholdDefaults.maxConnections}`,
      `${name}::${word}::max_pending_requests::${limits?.maxPendingRequests ?? thresholdDefaults.maxPendingRequests}`,
      `${name}::${word}::max_requests::${limits?.maxRequests ?? thresholdDefaults.maxRequests}`,
      `${name}::${word}::max_retries::${limits?.maxRetries ?? thresholdDefaults.maxRetries}`,
    );
  }
  lines.push(`${name}::added_via_api::false`);
  for (const host of hosts)
    for (const [key, value] of hostFields(host))
      lines.push(`${name}::${host.address}::${key}::${value}`);
  return `${lines.join("\n")}\n`;
}

function hostFields(host: HostStatus): readonly (readonly [string, string | number])[] {
  return [
    ["cx_active", host.connectionsActive],
    ["cx_connect_fail", host.connectFailures],
    ["cx_total", host.connectionsTotal],
    ["rq_active", host.requestsActive],
    ["rq_error", host.requestsError],
    ["rq_success", host.requestsSuccess],
    ["rq_timeout", host.requestsTimeout],
    ["rq_total", host.requestsTotal],
    ["hostname", host.hostname],
    ["health_flags", healthFlags(host)],
    ["weight", host.weight],
    ["region", host.region],
    ["zone", host.zone],
    ["sub_zone", host.subZone],
    ["canary", "false"],
    ["priority", host.priority],
    ["success_rate", -1],
    ["local_origin_success_rate", -1],
  ];
}

function healthFlags(host: HostStatus): string {
  if (host.health === "healthy") return "healthy";
  return host.health === "degraded" ? "/degraded_eds_health" : "/failed_eds_health";
}

function clusterJson(cluster: ClusterJson, hosts: readonly HostStatus[]): unknown {
  const name = cluster.name ?? "";
  return {
    name,
    observability_name: cluster.altStatName ?? name,
    host_statuses: hosts.map((host) => ({
      address: hostAddress(host.address),
      stats: [
        { name: "cx_connect_fail", value: String(host.connectFailures) },
        { name: "cx_total", value: String(host.connectionsTotal) },
        { name: "rq_error", value: String(host.requestsError) },
        { name: "rq_success", value: String(host.requestsSuccess) },
        { name: "rq_timeout", value: String(host.requestsTimeout) },
        { name: "rq_total", value: String(host.requestsTotal) },
        { type: "GAUGE", name: "cx_active", value: String(host.connectionsActive) },
        { type: "GAUGE", name: "rq_active", value: String(host.requestsActive) },
      ],
      health_status: {
        eds_health_status: host.edsHealth === "UNKNOWN" ? "HEALTHY" : host.edsHealth,
      },
      weight: host.weight,
      hostname: host.hostname,
      priority: host.priority,
      locality: { region: host.region, zone: host.zone, sub_zone: host.subZone },
    })),
  };
}

function hostAddress(address: string): unknown {
  const colon = address.lastIndexOf(":");
  if (address.startsWith("/") || colon === -1) return { pipe: { path: address } };
  return {
    socket_address: {
      address: address.slice(0, colon).replace(/^\[|\]$/g, ""),
      port_value: Number(address.slice(colon + 1)),
    },
  };
}
