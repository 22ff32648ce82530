import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import { covers } from "../../hostname.ts";
import { isAddress, sniHostProblem, wildcardHostProblem } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { checkExportTo } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkGatewayNames } from "./gateways.ts";
import { checkHttpRoute } from "./http-route.ts";
import { checkTcpRoute, checkTlsRoute } from "./l4-route.ts";
import { warnOfUnreachable } from "./unreachable.ts";

export function validate({ metadata, spec }: Validated<VirtualServiceJson>, report: Report): void {
  const here = report.at("spec");
  const { hosts = [], gateways = [], http = [], tls = [], tcp = [] } = spec;
  const delegate = hosts.length === 0;
  const throughGateway = gateways.length > 0 && !gateways.includes("mesh");
  if (delegate) checkDelegate(spec, here);
  checkGatewayNames(gateways, here.at("gateways"));
  checkHosts(spec, here.at("hosts"), throughGateway);
  if (http.length + tls.length + tcp.length === 0) {
    here.problem("has no route: one of http, tls and tcp is required");
  }
  for (const [index, route] of http.entries()) {
    checkHttpRoute(route, here.at("http", index), { delegate, throughGateway });
  }
  for (const [index, route] of tls.entries()) {
    checkTlsRoute(route, here.at("tls", index), { hosts, throughGateway });
  }
  for (const [index, route] of tcp.entries()) checkTcpRoute(route, here.at("tcp", index));
  checkExportTo(spec.exportTo, here.at("exportTo"), {
    namespace: metadata.namespace,
    none: false,
    ownOnly: false,
  });
  warnOfUnreachable(http, here.at("http"));
  warnOfUnreachable(tls, here.at("tls"));
  warnOfUnreachable(tcp, here.at("tcp"));
}

/** Without hosts it is a part of others, which have the gateways and are of HTTP. */
function checkDelegate(spec: VirtualServiceJson, report: Report): void {
  for (const field of ["gateways", "tls", "tcp"] as const) {
    if ((spec[field] ?? []).length > 0) {
      report
        .at(field)
        .problem("a VirtualService without hosts is a delegate, which cannot have it");
    }
  }
}

function checkHosts(spec: VirtualServiceJson, report: Report, throughGateway: boolean): void {
  const hosts = spec.hosts ?? [];
  const sni = (spec.tls ?? []).some(({ match = [] }) =>
    match.some(({ sniHosts = [] }) => sniHosts.length > 0),
  );
  let valid = true;
  for (const [index, host] of hosts.entries()) {
    const problem = isAddress(host)
      ? undefined
      : ((throughGateway && sni ? sniHostProblem(host) : wildcardHostProblem(host)) ??
        meshWildcardProblem(spec, host));
    valid &&= problem === undefined;
    report.at(index).check(problem);
  }
  if (valid) checkOverlap(hosts, report);
}

/** Sidecars have no route for everything. */
function meshWildcardProblem(spec: VirtualServiceJson, host: string): string | undefined {
  const gateways = spec.gateways ?? [];
  const mesh = gateways.length === 0 || gateways.includes("mesh");
  return mesh && host === "*" ? '"*" is for gateways only: name the hosts of the mesh' : undefined;
}

function checkOverlap(hosts: readonly string[], report: Report): void {
  for (const [index, host] of hosts.entries()) {
    const earlier = hosts
      .slice(0, index)
      .find((other) => covers(other, host) || covers(host, other));
    if (earlier !== undefined) {
      report.at(index).problem(`"${host}" and "${earlier}" overlap in one VirtualService`);
    }
  }
}
