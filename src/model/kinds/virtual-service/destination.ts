import type { DestinationJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { portProblem } from "../checks.ts";
import { isLabel, wildcardHostProblem } from "../hosts.ts";
import type { Report } from "../report.ts";

export function checkDestination(destination: DestinationJson | undefined, report: Report): void {
  if (destination === undefined) {
    report.problem("is required");
    return;
  }
  const { host = "", subset = "", port } = destination;
  if (host === "") report.at("host").problem("is required");
  else if (host === "*") report.at("host").problem('"*" is no destination: name a service');
  else report.at("host").check(wildcardHostProblem(host));
  if (subset !== "" && !isLabel(subset)) {
    report.at("subset").problem(`"${subset}" is not a subset's name`);
  }
  if (port !== undefined) report.at("port", "number").check(portProblem(port.number));
}

/** Weights are shares of their sum; people write them as percents. */
export function checkWeights(list: readonly { readonly weight?: number }[], report: Report): void {
  for (const [index, { weight = 0 }] of list.entries()) {
    if (weight < 0) report.at(index, "weight").problem(`${weight} is negative`);
  }
  if (list.length < 2) return;
  const sum = list.reduce((total, { weight = 0 }) => total + Math.max(0, weight), 0);
  if (sum === 0) report.problem("the weights of several destinations are all 0");
  else if (sum > 0xffff_ffff) report.problem(`the weights sum to ${sum}, which is too much`);
  else if (sum !== 100) report.warning(`the weights sum to ${sum}, not to 100; they are shares`);
}
