import type { ProxyConfigJson, TracingJson } from "#gen/istio/mesh/v1alpha1/proxy_pb.js";
import {
  durationProblem,
  nanosOf,
  patternProblem,
  percentProblem,
  portProblem,
} from "../checks.ts";
import { checkClientTls } from "../destination-rule/client-tls.ts";
import { hostPortProblem } from "../hosts.ts";
import type { Report } from "../report.ts";
import { checkProbe } from "../workload-group/probe.ts";

/** MeshConfig's `defaultConfig` and the annotation `proxy.istio.io/config`; what is not given is the default. */
export function checkProxyConfig(config: ProxyConfigJson, report: Report): void {
  for (const field of ["configPath", "binaryPath", "serviceCluster"] as const) {
    if (config[field] === "") report.at(field).problem("must not be empty");
  }
  checkAddresses(config, report);
  for (const field of ["proxyAdminPort", "statusPort"] as const) {
    const port = config[field];
    if (port !== undefined) report.at(field).check(portProblem(port));
  }
  const { drainDuration, concurrency } = config;
  if (drainDuration !== undefined) {
    const fraction = nanosOf(drainDuration) % 1_000_000_000n !== 0n;
    const problem = fraction
      ? `${drainDuration} must be whole seconds`
      : durationProblem(drainDuration);
    report.at("drainDuration").check(problem);
  }
  if (concurrency !== undefined && concurrency !== null && concurrency < 0) {
    report.at("concurrency").problem(`${concurrency} is negative`);
  }
  if (config.controlPlaneAuthPolicy === "INHERIT") {
    report.at("controlPlaneAuthPolicy").problem("INHERIT is neither NONE nor MUTUAL_TLS");
  }
  if (config.tracing !== undefined) checkTracing(config.tracing, report.at("tracing"));
  if (config.readinessProbe !== undefined) {
    checkProbe(config.readinessProbe, report.at("readinessProbe"));
  }
  for (const [index, pattern] of (config.proxyStatsMatcher?.inclusionRegexps ?? []).entries()) {
    const here = report.at("proxyStatsMatcher", "inclusionRegexps", index);
    here.check(patternProblem(pattern));
  }
  checkKeys(config, report.at("privateKeyProvider"));
  warnOfDeprecated(config, report);
}

function checkAddresses(config: ProxyConfigJson, report: Report): void {
  const addresses = [
    ["discoveryAddress", config.discoveryAddress],
    ["statsdUdpAddress", config.statsdUdpAddress],
    ["envoyMetricsServiceAddress", config.envoyMetricsServiceAddress],
    ["envoyMetricsService.address", config.envoyMetricsService?.address],
    ["envoyAccessLogService.address", config.envoyAccessLogService?.address],
  ] as const;
  for (const [field, address] of addresses) {
    if (address === undefined || (address === "" && field !== "discoveryAddress")) continue;
    report.at(...field.split(".")).check(hostPortProblem(address));
  }
}

function checkTracing(tracing: TracingJson, report: Report): void {
  report.at("sampling").check(percentProblem(tracing.sampling));
  for (const tracer of ["zipkin", "lightstep", "datadog"] as const) {
    const address = tracing[tracer]?.address;
    if (tracing[tracer] === undefined) continue;
    // The agent fills in the host.
    const whole = (address ?? "").replace("$(HOST_IP)", "127.0.0.1");
    report.at(tracer, "address").check(whole === "" ? "is required" : hostPortProblem(whole));
  }
  if (tracing.lightstep !== undefined && !tracing.lightstep.accessToken) {
    report.at("lightstep", "accessToken").problem("is required");
  }
  checkClientTls(tracing.tlsSettings, report.at("tlsSettings"));
}

function checkKeys(config: ProxyConfigJson, report: Report): void {
  const provider = config.privateKeyProvider;
  if (provider === undefined) return;
  const { cryptomb, qat } = provider;
  if (cryptomb === undefined && qat === undefined)
    report.problem("one of cryptomb and qat is required");
  for (const [field, one] of [
    ["cryptomb", cryptomb],
    ["qat", qat],
  ] as const) {
    if (one === undefined) continue;
    const here = report.at(field, "pollDelay");
    if (one.pollDelay === undefined || nanosOf(one.pollDelay) === 0n) here.problem("is required");
  }
}

function warnOfDeprecated(config: ProxyConfigJson, report: Report): void {
  const fields = [
    ["zipkinAddress", "tracing.zipkin.address"],
    ["envoyMetricsServiceAddress", "envoyMetricsService"],
    ["discoveryRefreshDelay", ""],
    ["availabilityZone", ""],
    ["sds", ""],
  ] as const;
  for (const [field, instead] of fields) {
    if (config[field] === undefined) continue;
    report.at(field).warning(`is deprecated${instead === "" ? "" : `; use ${instead}`}`);
  }
}
