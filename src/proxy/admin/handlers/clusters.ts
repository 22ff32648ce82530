import type { CircuitBreakers_ThresholdsJson } from "#gen/envoy/config/cluster/v3/circuit_breaker_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { ipAddress, pipeAddress } from "#net/address.ts";
import type { ClusterRates } from "../../outlier/report.ts";
import type { HostStatus } from "../../worker-protocol.ts";
import { nameFilter } from "../name-filter.ts";
import { type AdminAnswer, type AdminPage, type AdminRequest, json } from "../page.ts";
import type { AdminSource } from "../source.ts";
import { addressJson } from "./listeners.ts";

export const clustersPage: AdminPage = {
  path: "/clusters",
  help: "upstream cluster status",
  parameters: [
    {
      name: "filter",
      help: "RE2 pattern that a cluster's name contains",
    },
    { name: "format", help: "File format to use", choices: ["text", "json"] },
  ],
  answer: (request, { source }) => clusters(request, source),
};

async function clusters({ query }: AdminRequest, source: AdminSource): Promise<AdminAnswer> {
  const filter = nameFilter(query.get("filter"));
  if ("problem" in filter) return { status: 400, body: "Invalid re2 regex" };
  const hosts = await source.clusters();
  const shown = clustersOf(source)
    .filter(({ config }) => filter.matches(config.name ?? ""))
    .map((cluster) => {
      const name = cluster.config.name ?? "";
      const shownCluster: ShownCluster = {
        ...cluster,
        hosts: hosts.get(name) ?? [],
        rates: source.successRates?.(name),
      };
      return shownCluster;
    });
  if (query.get("format") !== "json") return { body: shown.map(clusterText).join("") };
  if (shown.length === 0) return json({});
  return json({ cluster_statuses: shown.map(clusterStatus) });
}

interface ShownCluster {
  readonly config: ClusterJson;
  /** By CDS, not by the bootstrap. */
  readonly viaApi: boolean;
  readonly hosts: readonly HostStatus[];
  readonly rates: ClusterRates | undefined;
}

function clustersOf(source: AdminSource): readonly Pick<ShownCluster, "config" | "viaApi">[] {
  const fixed = source.bootstrap.staticResources?.clusters ?? [];
  const dynamic = source.dynamic?.()?.clusters ?? [];
  return [
    ...fixed.map((config) => ({ config, viaApi: false })),
    ...dynamic.flatMap(({ active }) =>
      active === undefined ? [] : [{ config: active.config, viaApi: true }],
    ),
  ];
}

const priorities = ["DEFAULT", "HIGH"] as const;

interface Thresholds {
  readonly max_connections: number;
  readonly max_pending_requests: number;
  readonly max_requests: number;
  readonly max_retries: number;
}

function thresholds(cluster: ClusterJson, priority: (typeof priorities)[number]): Thresholds {
  const found: CircuitBreakers_ThresholdsJson | undefined =
    cluster.circuitBreakers?.thresholds?.find((item) => (item.priority ?? "DEFAULT") === priority);
  return {
    max_connections: found?.maxConnections ?? 1024,
    max_pending_requests: found?.maxPendingRequests ?? 1024,
    max_requests: found?.maxRequests ?? 1024,
    max_retries: found?.maxRetries ?? 3,
  };
}

function clusterText({ config: cluster, viaApi, hosts, rates }: ShownCluster): string {
  const name = cluster.name ?? "";
  const lines = [`observability_name::${cluster.altStatName ?? name}`];
  if (rates !== undefined) {
    const { external, local } = rates;
    lines.push(
      `outlier::success_rate_average::${shortNumber(external.average)}`,
      `outlier::success_rate_ejection_threshold::${shortNumber(external.threshold)}`,
      `outlier::local_origin_success_rate_average::${shortNumber(local.average)}`,
      `outlier::local_origin_success_rate_ejection_threshold::${shortNumber(local.threshold)}`,
    );
  }
  for (const priority of priorities) {
    for (const [key, value] of Object.entries(thresholds(cluster, priority))) {
      lines.push(`${priority.toLowerCase()}_priority::${key}::${value}`);
    }
  }
  lines.push(`added_via_api::${viaApi}`);
  for (const host of hosts) {
    for (const [key, value] of hostFields(host)) lines.push(`${host.address}::${key}::${value}`);
  }
  return lines.map((line) => `${name}::${line}\n`).join("");
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
    ["success_rate", shortNumber(host.successRate)],
    ["local_origin_success_rate", shortNumber(host.localOriginSuccessRate)],
  ];
}

/** As a C++ stream writes a double: six significant digits. */
function shortNumber(value: number): number {
  return Number(value.toPrecision(6));
}

/** In the order of Envoy's flags. */
function healthFlags({ check, edsHealth, ejected, degradedByOutlier }: HostStatus): string {
  const flags = [
    check?.failed === true ? "/failed_active_hc" : "",
    ejected ? "/failed_outlier_check" : "",
    edsHealth === "UNHEALTHY" || edsHealth === "TIMEOUT" ? "/failed_eds_health" : "",
    check?.degraded === true ? "/degraded_active_hc" : "",
    edsHealth === "DEGRADED" ? "/degraded_eds_health" : "",
    check?.leaving === true ? "/pending_dynamic_removal" : "",
    check?.pending === true ? "/pending_active_hc" : "",
    check?.excluded === true ? "/excluded_via_immediate_hc_fail" : "",
    check?.timedOut === true ? "/active_hc_timeout" : "",
    edsHealth === "DRAINING" ? "/eds_status_draining" : "",
    degradedByOutlier ? "/degraded_outlier_detection" : "",
  ].join("");
  return flags === "" ? "healthy" : flags;
}

function clusterStatus({ config: cluster, viaApi, hosts, rates }: ShownCluster): unknown {
  const name = cluster.name ?? "";
  return {
    name,
    ...(viaApi ? { added_via_api: true } : {}),
    ...percent("success_rate_ejection_threshold", rates?.external.threshold),
    ...percent("local_origin_success_rate_ejection_threshold", rates?.local.threshold),
    ...(hosts.length === 0 ? {} : { host_statuses: hosts.map(hostStatusJson) }),
    circuit_breakers: {
      thresholds: priorities.map((priority) => ({
        ...(priority === "HIGH" ? { priority } : {}),
        ...thresholds(cluster, priority),
      })),
    },
    observability_name: cluster.altStatName ?? name,
  };
}

/** admin.v3.HostStatus; as in all ProtoJSON, what is zero or empty is left out. */
function hostStatusJson(host: HostStatus): unknown {
  const known = host.edsHealth === "UNKNOWN" || host.edsHealth === "" ? "HEALTHY" : host.edsHealth;
  return {
    address: addressJson(parseAddress(host.address)),
    stats: [
      stat("cx_connect_fail", host.connectFailures),
      stat("cx_total", host.connectionsTotal),
      stat("rq_error", host.requestsError),
      stat("rq_success", host.requestsSuccess),
      stat("rq_timeout", host.requestsTimeout),
      stat("rq_total", host.requestsTotal),
      { type: "GAUGE", ...stat("cx_active", host.connectionsActive) },
      { type: "GAUGE", ...stat("rq_active", host.requestsActive) },
    ],
    health_status: {
      ...flag("failed_active_health_check", host.check?.failed),
      ...flag("failed_outlier_check", host.ejected),
      ...flag("failed_active_degraded_check", host.check?.degraded),
      ...flag("pending_dynamic_removal", host.check?.leaving),
      ...flag("pending_active_hc", host.check?.pending),
      ...flag("excluded_via_immediate_hc_fail", host.check?.excluded),
      ...flag("active_hc_timeout", host.check?.timedOut),
      eds_health_status: known,
      ...(host.degradedByOutlier ? { failed_degraded_outlier_detection: true } : {}),
    },
    ...percent("success_rate", host.successRate),
    ...percent("local_origin_success_rate", host.localOriginSuccessRate),
    weight: host.weight,
    ...(host.hostname === "" ? {} : { hostname: host.hostname }),
    ...(host.priority === 0 ? {} : { priority: host.priority }),
    locality: {
      ...(host.region === "" ? {} : { region: host.region }),
      ...(host.zone === "" ? {} : { zone: host.zone }),
      ...(host.subZone === "" ? {} : { sub_zone: host.subZone }),
    },
  };
}

function flag(name: string, set: boolean | undefined): object {
  return set === true ? { [name]: true } : {};
}

/** A type.v3.Percent; nothing when it is not known. */
function percent(name: string, value: number | undefined): object {
  if (value === undefined || value < 0) return {};
  return { [name]: value === 0 ? {} : { value } };
}

function stat(name: string, value: number): object {
  return value === 0 ? { name } : { value: String(value), name };
}

/** The inverse of addressText. */
function parseAddress(text: string): ReturnType<typeof ipAddress> {
  const colon = text.lastIndexOf(":");
  if (text.startsWith("/") || text.startsWith("@") || colon === -1) return pipeAddress(text);
  const ip = text.slice(0, colon).replace(/^\[|\]$/g, "");
  return ipAddress(ip, Number(text.slice(colon + 1)));
}
