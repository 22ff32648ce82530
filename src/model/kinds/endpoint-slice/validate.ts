import { fqdnProblem, isAddress } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";
import type { EndpointSliceBody } from "./type.ts";

export function validate({ metadata, spec }: Validated<EndpointSliceBody>, report: Report): void {
  const { addressType = "IPv4", endpoints = [] } = spec;
  if (!["IPv4", "IPv6", "FQDN"].includes(addressType)) {
    report.at("addressType").problem(`"${addressType}" is none of IPv4, IPv6 and FQDN`);
  }
  for (const [index, { addresses = [] }] of endpoints.entries()) {
    const here = report.at("endpoints", index, "addresses");
    if (addresses.length === 0) here.problem("is required");
    for (const [place, address] of addresses.entries()) {
      if (addressType === "FQDN") here.at(place).check(fqdnProblem(address));
      else if (!isAddress(address)) here.at(place).problem(`"${address}" is not an IP address`);
    }
  }
  if (metadata.labels["kubernetes.io/service-name"] === undefined) {
    report
      .at("metadata", "labels")
      .warning("has no kubernetes.io/service-name: the endpoints are no service's");
  }
}
