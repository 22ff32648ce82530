import type {
  L4MatchAttributesJson,
  RouteDestinationJson,
  TCPRouteJson,
  TLSMatchAttributesJson,
  TLSRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { covers } from "../../hostname.ts";
import { portProblem } from "../checks.ts";
import {
  isAddress,
  isLabel,
  sniHostProblem,
  subnetProblem,
  wildcardHostProblem,
} from "../hosts.ts";
import { checkLabels } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkDestination, checkWeights } from "./destination.ts";
import { checkGatewayNames } from "./gateways.ts";

export interface TlsContext {
  readonly hosts: readonly string[];
  readonly throughGateway: boolean;
}

export function checkTlsRoute(route: TLSRouteJson, report: Report, context: TlsContext): void {
  const { match = [] } = route;
  if (match.length === 0) report.at("match").problem("is required: at least one with sniHosts");
  for (const [index, one] of match.entries()) {
    const here = report.at("match", index);
    checkSniHosts(one, here.at("sniHosts"), context);
    checkMatch(one, here);
  }
  checkDestinations(route.route, report.at("route"));
}

export function checkTcpRoute(route: TCPRouteJson, report: Report): void {
  for (const [index, match] of (route.match ?? []).entries()) {
    const here = report.at("match", index);
    if (match.sourceSubnet) here.at("sourceSubnet").check(subnetProblem(match.sourceSubnet));
    checkMatch(match, here);
  }
  checkDestinations(route.route, report.at("route"));
}

function checkSniHosts(
  { sniHosts = [] }: TLSMatchAttributesJson,
  report: Report,
  { hosts, throughGateway }: TlsContext,
): void {
  if (sniHosts.length === 0) report.problem("is required");
  for (const [index, host] of sniHosts.entries()) {
    const here = report.at(index);
    if (isAddress(host)) {
      here.warning(`"${host}" is an address, which clients do not send as SNI`);
      continue;
    }
    const problem = throughGateway ? sniHostProblem(host) : wildcardHostProblem(host);
    if (problem !== undefined) here.problem(problem);
    else if (hosts.length > 0 && !hosts.some((outer) => covers(outer, host))) {
      here.problem(`"${host}" is not within the hosts ${hosts.join(", ")}`);
    }
  }
}

function checkMatch(match: TLSMatchAttributesJson | L4MatchAttributesJson, report: Report): void {
  for (const [index, subnet] of (match.destinationSubnets ?? []).entries()) {
    report.at("destinationSubnets", index).check(subnetProblem(subnet));
  }
  if (match.port) report.at("port").check(portProblem(match.port));
  checkLabels(match.sourceLabels, report.at("sourceLabels"));
  checkGatewayNames(match.gateways, report.at("gateways"));
  const { sourceNamespace = "" } = match;
  if (sourceNamespace !== "" && !isLabel(sourceNamespace)) {
    report.at("sourceNamespace").problem(`"${sourceNamespace}" is not a namespace`);
  }
}

function checkDestinations(
  destinations: readonly RouteDestinationJson[] | undefined,
  report: Report,
): void {
  const list = destinations ?? [];
  if (list.length === 0) report.problem("is required");
  for (const [index, { destination }] of list.entries()) {
    checkDestination(destination, report.at(index, "destination"));
  }
  checkWeights(list, report);
}
