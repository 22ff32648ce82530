import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import { portProblem } from "../checks.ts";
import { fqdnProblem, isAddress, isLabel, socketPathProblem, unixPrefix } from "../hosts.ts";
import { checkLabels } from "../policy.ts";
import type { Report } from "../report.ts";

export interface WorkloadContext {
  /** The names of the service's ports; undefined: not known here. */
  readonly ports: ReadonlySet<string> | undefined;
  /** May the address be a DNS name? */
  readonly names: boolean;
  /** May there be none? A group's template has none, because each of its workloads has its own. */
  readonly optional: boolean;
}

/** A WorkloadEntry, a group's template, or an endpoint of a ServiceEntry. */
export function checkWorkload(
  workload: WorkloadEntryJson,
  report: Report,
  context: WorkloadContext,
): void {
  const { address = "", network = "", ports = {} } = workload;
  const unix = address.startsWith(unixPrefix);
  if (address === "") {
    if (!context.optional) checkAbsent(network, report.at("address"));
  } else if (unix) {
    checkSocket(workload, report, context);
  } else if (!isAddress(address)) {
    const problem = context.names ? fqdnProblem(address) : `"${address}" is not an IP address`;
    report.at("address").check(problem);
  }
  if (address.length > 256) report.at("address").problem("is longer than 256 characters");
  for (const [name, port] of Object.entries(ports)) {
    const here = report.at("ports", name);
    if (context.ports !== undefined && !context.ports.has(name)) {
      here.problem(`"${name}" is no port of the service: ${[...context.ports].join(", ")}`);
    } else if (!isLabel(name)) {
      here.problem(`"${name}" is not a port's name`);
    }
    here.check(portProblem(port));
  }
  checkLabels(workload.labels, report.at("labels"));
  checkLocality(workload.locality, report.at("locality"));
  if ((workload.serviceAccount ?? "").length > 253) {
    report.at("serviceAccount").problem("is longer than 253 characters");
  }
}

function checkAbsent(network: string, report: Report): void {
  if (network === "") report.problem("is required, or a network");
  else report.warning(`is not given: the gateways of network "${network}" are taken`);
}

function checkSocket(
  { address = "", ports = {} }: WorkloadEntryJson,
  report: Report,
  context: WorkloadContext,
): void {
  report.at("address").check(socketPathProblem(address.slice(unixPrefix.length)));
  if (Object.keys(ports).length > 0) report.at("ports").problem("a Unix socket has no ports");
  if (context.ports !== undefined && context.ports.size !== 1) {
    report.at("address").problem("a Unix socket answers for exactly one port of the service");
  }
}

function checkLocality(locality: string | undefined, report: Report): void {
  if (locality === undefined || locality === "") return;
  const parts = locality.split("/");
  if (parts.length > 3 || parts.includes("")) {
    report.warning(`"${locality}" is not region/zone/subzone`);
  }
}
