import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { durationProblem, nanosOf, portProblem, precisionProblem } from "../checks.ts";
import { checkConnectionPool, checkKeepalive } from "../destination-rule/connection-pool.ts";
import { checkLocality } from "../destination-rule/locality.ts";
import { checkOutlierDetection } from "../destination-rule/outlier-detection.ts";
import { fqdnProblem, hostPortProblem, isLabel, wildcardHostProblem } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { checkExportTo } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkRetries } from "../virtual-service/retries.ts";
import { checkProviders } from "./providers.ts";
import { checkProxyConfig } from "./proxy-config.ts";

export function validate({ spec }: Validated<MeshConfigJson>, report: Report): void {
  const here = report.at("spec");
  checkPorts(spec, here);
  checkDurations(spec, here);
  checkNames(spec, here);
  checkTls(spec, here);
  for (const field of ["Service", "VirtualService", "DestinationRule"] as const) {
    const name = `default${field}ExportTo` as const;
    const rules = { namespace: spec.rootNamespace ?? "istio-system", none: true, ownOnly: false };
    checkExportTo(spec[name], here.at(name), rules);
  }
  checkLocality(spec.localityLbSetting, here.at("localityLbSetting"), { outlierDetection: true });
  checkRetries(spec.defaultHttpRetryPolicy, here.at("defaultHttpRetryPolicy"));
  const policy = here.at("defaultTrafficPolicy");
  checkConnectionPool(spec.defaultTrafficPolicy?.connectionPool, policy.at("connectionPool"));
  checkOutlierDetection(spec.defaultTrafficPolicy?.outlierDetection, policy.at("outlierDetection"));
  checkProviders(spec.extensionProviders ?? [], here.at("extensionProviders"));
  if (spec.defaultConfig !== undefined) {
    checkProxyConfig(spec.defaultConfig, here.at("defaultConfig"));
  }
  warnOfDeprecated(spec, here);
}

function checkPorts(spec: MeshConfigJson, report: Report): void {
  for (const field of ["proxyListenPort", "proxyInboundListenPort"] as const) {
    const port = spec[field];
    if (port !== undefined) report.at(field).check(portProblem(port));
  }
  // 0 is none.
  if (spec.proxyHttpPort) report.at("proxyHttpPort").check(portProblem(spec.proxyHttpPort));
  if ((spec.proxyListenPort ?? 15_001) === (spec.proxyInboundListenPort ?? 15_006)) {
    report.at("proxyInboundListenPort").problem("is proxyListenPort too");
  }
}

const connectTimeoutMaxNanos = 3_600_000_000_000n;

function checkDurations(spec: MeshConfigJson, report: Report): void {
  const { connectTimeout, protocolDetectionTimeout } = spec;
  report.at("connectTimeout").check(durationProblem(connectTimeout));
  if (connectTimeout !== undefined && nanosOf(connectTimeout) > connectTimeoutMaxNanos) {
    report.at("connectTimeout").problem(`${connectTimeout} is more than an hour`);
  }
  if (protocolDetectionTimeout !== undefined) {
    report.at("protocolDetectionTimeout").check(precisionProblem(protocolDetectionTimeout));
  }
  report.at("dnsRefreshRate").check(durationProblem(spec.dnsRefreshRate));
  report.at("hboneIdleTimeout").check(durationProblem(spec.hboneIdleTimeout));
  report.at("ca", "requestTimeout").check(durationProblem(spec.ca?.requestTimeout));
  checkKeepalive(spec.tcpKeepalive, report.at("tcpKeepalive"));
}

function checkNames(spec: MeshConfigJson, report: Report): void {
  const { rootNamespace, trustDomain, trustDomainAliases = [], ca } = spec;
  if (rootNamespace !== undefined && !isLabel(rootNamespace)) {
    report.at("rootNamespace").problem(`"${rootNamespace}" is not a namespace`);
  }
  if (trustDomain !== undefined) report.at("trustDomain").check(trustDomainProblem(trustDomain));
  for (const [index, alias] of trustDomainAliases.entries()) {
    report.at("trustDomainAliases", index).check(trustDomainProblem(alias));
  }
  for (const [index, { hosts = [] }] of (spec.serviceSettings ?? []).entries()) {
    for (const [place, host] of hosts.entries()) {
      report.at("serviceSettings", index, "hosts", place).check(wildcardHostProblem(host));
    }
  }
  for (const [index, { address = "" }] of (spec.configSources ?? []).entries()) {
    if (!/^(?:fs|k8s|xds):\/\//.test(address)) {
      const here = report.at("configSources", index, "address");
      here.problem(`"${address}" is none of fs:///path, k8s:// and xds://host:port`);
    }
  }
  if (ca?.address) report.at("ca", "address").check(hostPortProblem(ca.address));
}

/** Labels with dots between, which may be numbers. */
function trustDomainProblem(domain: string): string | undefined {
  if (domain === "") return "must not be empty";
  const valid = domain.replace(/\.$/, "").split(".").every(isLabel);
  return valid ? undefined : `"${domain}" is not a trust domain, such as "cluster.local"`;
}

const curves: ReadonlySet<string> = new Set([
  "P-224",
  "P-256",
  "P-384",
  "P-521",
  "X25519",
  "CECPQ2",
  "X25519MLKEM768",
]);

function checkTls(spec: MeshConfigJson, report: Report): void {
  if ((spec.meshMTLS?.ecdhCurves ?? []).length > 0) {
    report.at("meshMTLS", "ecdhCurves").problem("is not supported; tlsDefaults has it");
  }
  const { ecdhCurves = [] } = spec.tlsDefaults ?? {};
  for (const [index, curve] of ecdhCurves.entries()) {
    const here = report.at("tlsDefaults", "ecdhCurves", index);
    if (!curves.has(curve)) here.warning(`"${curve}" is no curve that is known`);
    else if (ecdhCurves.indexOf(curve) < index) here.warning(`"${curve}" is there already`);
  }
}

function warnOfDeprecated(spec: MeshConfigJson, report: Report): void {
  if ((spec.certificates ?? []).length > 0) report.at("certificates").warning("is deprecated");
  if (spec.verifyCertificateAtClient !== undefined) {
    report.at("verifyCertificateAtClient").warning("is deprecated");
  }
  for (const [index, { hosts }] of (spec.serviceSettings ?? []).entries()) {
    if (hosts === undefined) report.at("serviceSettings", index).warning("names no hosts");
  }
  const { ingressService = "" } = spec;
  if (ingressService !== "") report.at("ingressService").check(fqdnProblem(ingressService));
}
