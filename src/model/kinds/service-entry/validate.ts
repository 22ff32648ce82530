import type {
  ServiceEntryJson,
  ServicePortJson,
} from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import { isWildcard } from "../../hostname.ts";
import { isHttp, isTls, protocolOf } from "../../protocol.ts";
import { portProblem, protocolProblem, reportDuplicates } from "../checks.ts";
import {
  fqdnProblem,
  isLabel,
  partialWildcardProblem,
  subnetProblem,
  wildcardHostProblem,
} from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { checkExportTo, checkWorkloadSelector } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkWorkload } from "../workload-entry/workload.ts";

const listMax = 256;
const endpointsMax = 4096;

export function validate({ metadata, spec }: Validated<ServiceEntryJson>, report: Report): void {
  const here = report.at("spec");
  const { endpoints = [], workloadSelector } = spec;
  checkHosts(spec, here.at("hosts"));
  checkAddresses(spec, here.at("addresses"));
  checkPorts(spec, here.at("ports"));
  checkWorkloadSelector(workloadSelector, here.at("workloadSelector"));
  if (workloadSelector !== undefined && endpoints.length > 0) {
    here.at("endpoints").problem("cannot be given together with workloadSelector");
  }
  if (endpoints.length > endpointsMax) {
    here.at("endpoints").problem(`has more than ${endpointsMax} entries`);
  }
  checkResolution(spec, here);
  checkEndpoints(spec, here.at("endpoints"));
  checkTcpHosts(spec, here);
  checkExportTo(spec.exportTo, here.at("exportTo"), {
    namespace: metadata.namespace,
    none: true,
    ownOnly: false,
  });
}

function checkHosts({ hosts = [] }: ServiceEntryJson, report: Report): void {
  if (hosts.length === 0) report.problem("is required");
  if (hosts.length > listMax) report.problem(`has more than ${listMax} entries`);
  for (const [index, host] of hosts.entries()) {
    const here = report.at(index);
    if (host === "*") here.problem('"*" is no service: name hosts, such as "*.example.com"');
    else {
      const problem = wildcardHostProblem(host);
      here.check(problem);
      const partial = problem === undefined ? partialWildcardProblem(host) : undefined;
      if (partial !== undefined) here.warning(partial);
    }
  }
}

function checkAddresses(
  { addresses = [], resolution = "NONE" }: ServiceEntryJson,
  report: Report,
): void {
  if (addresses.length > listMax) report.problem(`has more than ${listMax} entries`);
  for (const [index, address] of addresses.entries()) {
    const here = report.at(index);
    here.check(subnetProblem(address));
    if (address.includes("/") && resolution !== "NONE" && resolution !== "STATIC") {
      here.problem(`a CIDR block needs resolution NONE or STATIC, not ${resolution}`);
    }
  }
}

function checkPorts({ ports = [] }: ServiceEntryJson, report: Report): void {
  if (ports.length > listMax) report.problem(`has more than ${listMax} entries`);
  for (const [index, port] of ports.entries()) {
    checkPort(port, report.at(index));
  }
  reportDuplicates(report, ports, {
    key: ({ name }) => name,
    message: (name) => `there is a port "${name}" already`,
  });
  reportDuplicates(report, ports, {
    key: ({ number }) => (number === undefined ? undefined : String(number)),
    message: (number) => `there is a port ${number} already`,
  });
}

function checkPort(
  { name = "", number, protocol, targetPort }: ServicePortJson,
  report: Report,
): void {
  if (name === "") report.at("name").problem("is required");
  else if (!isLabel(name)) report.at("name").problem(`"${name}" is not a port's name`);
  report.at("number").check(portProblem(number));
  report.at("protocol").check(protocolProblem(protocol));
  if (targetPort !== undefined) report.at("targetPort").check(portProblem(targetPort));
}

/** What each resolution allows. */
function checkResolution(spec: ServiceEntryJson, report: Report): void {
  const { hosts = [], endpoints = [], resolution = "NONE", workloadSelector } = spec;
  const here = report.at("resolution");
  if (workloadSelector !== undefined && resolution !== "STATIC") {
    report
      .at("workloadSelector")
      .warning(`has no effect with resolution ${resolution}; use STATIC`);
  }
  switch (resolution) {
    case "NONE":
      if (endpoints.length > 0) report.at("endpoints").problem("resolution NONE has no endpoints");
      return;
    case "STATIC":
      if (endpoints.length === 0 && workloadSelector === undefined) {
        here.warning("STATIC without endpoints and workloadSelector: nothing answers");
      }
      return;
    case "DNS":
    case "DNS_ROUND_ROBIN":
      if (resolution === "DNS_ROUND_ROBIN" && endpoints.length > 1) {
        report.at("endpoints").problem("DNS_ROUND_ROBIN has one endpoint at most");
      }
      if (endpoints.length === 0) checkLookUps(hosts, report.at("hosts"), resolution);
      return;
    case "DYNAMIC_DNS":
      for (const [index, host] of hosts.entries()) {
        if (!host.startsWith("*.")) {
          report.at("hosts", index).problem(`"${host}": DYNAMIC_DNS is for wildcard hosts only`);
        }
      }
      if (endpoints.length > 0) report.at("endpoints").problem("DYNAMIC_DNS has no endpoints");
      return;
    default:
      here.problem(`${resolution} is not known`);
  }
}

function checkLookUps(hosts: readonly string[], report: Report, resolution: string): void {
  for (const [index, host] of hosts.entries()) {
    if (wildcardHostProblem(host) === undefined && fqdnProblem(host) !== undefined) {
      const text = `"${host}" cannot be looked up: with resolution ${resolution}`;
      report.at(index).problem(`${text} a wildcard needs endpoints`);
    }
  }
}

function checkEndpoints(spec: ServiceEntryJson, report: Report): void {
  const { endpoints = [], ports = [], resolution = "NONE" } = spec;
  const names = resolution === "DNS" || resolution === "DNS_ROUND_ROBIN";
  const known = new Set(ports.map(({ name = "" }) => name));
  for (const [index, endpoint] of endpoints.entries()) {
    const here = report.at(index);
    checkWorkload(endpoint, here, { ports: known, names, optional: false });
    if (names && endpoint.address?.startsWith("unix://") === true) {
      here.at("address").problem(`a Unix socket needs resolution STATIC, not ${resolution}`);
    }
  }
}

/** Bytes of TCP say nothing of the host: only an address can tell two of them apart. */
function checkTcpHosts(spec: ServiceEntryJson, report: Report): void {
  const { hosts = [], addresses = [], ports = [], resolution = "NONE" } = spec;
  for (const [index, port] of ports.entries()) {
    if (protocolProblem(port.protocol) !== undefined) continue;
    const protocol = protocolOf(port.protocol);
    const plain = !isHttp(protocol) && !isTls(protocol);
    const here = report.at("ports", index, "protocol");
    if (plain && hosts.length > 1 && resolution !== "NONE") {
      here.problem("several hosts can only be told apart on ports of HTTP or TLS");
    }
    // Others get an address of their own (240.240.0.0/16).
    const open = addresses.length === 0 && (resolution === "NONE" || hosts.some(isWildcard));
    if (open && (protocol === "TCP" || protocol === "auto")) {
      here.warning("a port of TCP without addresses takes the calls of every address");
    }
  }
}
