import type {
  EnvoyFilter_EnvoyConfigObjectMatchJson,
  EnvoyFilter_EnvoyConfigObjectPatchJson,
  EnvoyFilter_ListenerMatch_FilterMatchJson,
  EnvoyFilterJson,
} from "#gen/istio/networking/v1alpha3/envoy_filter_pb.js";
import { patternProblem, portProblem } from "../checks.ts";
import type { Validated } from "../kind.ts";
import { checkTargets, checkWorkloadSelector } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkPatchValue } from "./patch-value.ts";

export function validate({ spec }: Validated<EnvoyFilterJson>, report: Report): void {
  const here = report.at("spec");
  const { workloadSelector, targetRefs, configPatches = [] } = spec;
  checkWorkloadSelector(workloadSelector, here.at("workloadSelector"));
  checkTargets(targetRefs === undefined ? {} : { targetRefs }, here);
  if (workloadSelector !== undefined && (targetRefs ?? []).length > 0) {
    here.at("targetRefs").problem("cannot be given together with workloadSelector");
  }
  here.warning("what an EnvoyFilter names may be another with the next release of the proxy");
  for (const [index, patch] of configPatches.entries()) {
    checkPatch(patch, here.at("configPatches", index));
  }
}

function checkPatch(entry: EnvoyFilter_EnvoyConfigObjectPatchJson, report: Report): void {
  const { applyTo = "INVALID", match, patch } = entry;
  if (applyTo === "INVALID") report.at("applyTo").problem("is required");
  if (patch === undefined) report.at("patch").problem("is required");
  const operation = patch?.operation ?? "INVALID";
  if (patch !== undefined) {
    if (operation === "INVALID") report.at("patch", "operation").problem("is required");
    else if (operation !== "REMOVE" && patch.value === undefined) {
      report.at("patch", "value").problem(`is required with operation ${operation}`);
    }
    if (patch.filterClass !== undefined && operation !== "ADD") {
      report.at("patch", "filterClass").warning("has an effect with operation ADD only");
    }
  }
  if (match !== undefined) checkMatch(match, report.at("match"), applyTo);
  warnOfOperation(applyTo, operation, report.at("patch", "operation"));
  if (patch?.value !== undefined) {
    checkPatchValue(applyTo, patch.value, report.at("patch", "value"));
  }
}

type ApplyTo = NonNullable<EnvoyFilter_EnvoyConfigObjectPatchJson["applyTo"]>;

/** What each kind of object is found by. */
const matchedBy: Readonly<Partial<Record<string, "listener" | "routeConfiguration" | "cluster">>> =
  {
    LISTENER: "listener",
    LISTENER_FILTER: "listener",
    FILTER_CHAIN: "listener",
    NETWORK_FILTER: "listener",
    HTTP_FILTER: "listener",
    ROUTE_CONFIGURATION: "routeConfiguration",
    VIRTUAL_HOST: "routeConfiguration",
    HTTP_ROUTE: "routeConfiguration",
    CLUSTER: "cluster",
  };

function checkMatch(
  match: EnvoyFilter_EnvoyConfigObjectMatchJson,
  report: Report,
  applyTo: ApplyTo,
): void {
  const version = match.proxy?.proxyVersion;
  if (version) report.at("proxy", "proxyVersion").check(patternProblem(version));
  const { context = "ANY", waypoint } = match;
  if ((context === "WAYPOINT") !== (waypoint !== undefined)) {
    const here = report.at(waypoint === undefined ? "context" : "waypoint");
    here.problem("context WAYPOINT and a waypoint match go together");
  }
  if (waypoint?.portNumber !== undefined) {
    report.at("waypoint", "portNumber").check(portProblem(waypoint.portNumber));
  }
  const expected = matchedBy[String(applyTo)];
  for (const field of ["listener", "routeConfiguration", "cluster"] as const) {
    if (match[field] !== undefined && expected !== undefined && field !== expected) {
      report.at(field).problem(`objects of applyTo ${applyTo} are found by ${expected}`);
    }
  }
  const filter = match.listener?.filterChain?.filter;
  if (filter !== undefined && expected === "listener") {
    checkFilter(filter, report.at("listener", "filterChain", "filter"), applyTo);
  }
}

const connectionManagers: ReadonlySet<string> = new Set([
  "envoy.filters.network.http_connection_manager",
  "envoy.http_connection_manager",
]);

function checkFilter(
  filter: EnvoyFilter_ListenerMatch_FilterMatchJson,
  report: Report,
  applyTo: ApplyTo,
): void {
  const { name = "", subFilter } = filter;
  if (applyTo === "LISTENER" || applyTo === "FILTER_CHAIN") {
    report.warning(`has no effect with applyTo ${applyTo}`);
  }
  if (name === "") report.at("name").problem("is required");
  warnOfOldName(name, report.at("name"));
  if (subFilter === undefined) return;
  const here = report.at("subFilter");
  if (applyTo !== "HTTP_FILTER") here.problem("has an effect with applyTo HTTP_FILTER only");
  else if (!connectionManagers.has(name)) {
    here.problem("needs the filter envoy.filters.network.http_connection_manager");
  }
  if (!subFilter.name) here.at("name").problem("is required");
  warnOfOldName(subFilter.name ?? "", here.at("name"));
}

/** Filters' names before Envoy 1.14 (`envoy.router`). */
const oldNames: ReadonlyMap<string, string> = new Map([
  ["envoy.buffer", "envoy.filters.http.buffer"],
  ["envoy.cors", "envoy.filters.http.cors"],
  ["envoy.csrf", "envoy.filters.http.csrf"],
  ["envoy.ext_authz", "envoy.filters.http.ext_authz"],
  ["envoy.fault", "envoy.filters.http.fault"],
  ["envoy.gzip", "envoy.filters.http.gzip"],
  ["envoy.health_check", "envoy.filters.http.health_check"],
  ["envoy.http_connection_manager", "envoy.filters.network.http_connection_manager"],
  ["envoy.lua", "envoy.filters.http.lua"],
  ["envoy.mongo_proxy", "envoy.filters.network.mongo_proxy"],
  ["envoy.rate_limit", "envoy.filters.http.ratelimit"],
  ["envoy.ratelimit", "envoy.filters.network.ratelimit"],
  ["envoy.redis_proxy", "envoy.filters.network.redis_proxy"],
  ["envoy.router", "envoy.filters.http.router"],
  ["envoy.tcp_proxy", "envoy.filters.network.tcp_proxy"],
]);

function warnOfOldName(name: string, report: Report): void {
  const today = oldNames.get(name);
  if (today !== undefined) report.warning(`"${name}" is an old name; use "${today}"`);
}

function warnOfOperation(applyTo: ApplyTo, operation: unknown, report: Report): void {
  if (operation === "INVALID") return;
  const whole = applyTo === "ROUTE_CONFIGURATION";
  if (whole && operation !== "MERGE") {
    report.warning(`${operation} has no effect on a route configuration, only MERGE has`);
  } else if (applyTo === "HTTP_ROUTE" && (operation === "ADD" || operation === "REMOVE")) {
    report.warning(`${operation} has no effect on a route`);
  } else if (operation === "REPLACE" && applyTo !== "HTTP_FILTER" && applyTo !== "NETWORK_FILTER") {
    report.warning("REPLACE has an effect on HTTP and network filters only");
  }
}
