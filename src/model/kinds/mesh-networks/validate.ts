import type { MeshNetworksJson, NetworkJson } from "#gen/istio/mesh/v1alpha1/network_pb.js";
import { portProblem } from "../checks.ts";
import { fqdnProblem, isAddress, isLabel, subnetProblem } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";

export function validate({ spec }: Validated<MeshNetworksJson>, report: Report): void {
  for (const [name, network] of Object.entries(spec.networks ?? {})) {
    checkNetwork(network, report.at("spec", "networks", name));
  }
}

function checkNetwork({ endpoints = [], gateways = [] }: NetworkJson, report: Report): void {
  for (const [index, { fromCidr, fromRegistry }] of endpoints.entries()) {
    const here = report.at("endpoints", index);
    if (fromCidr !== undefined) here.at("fromCidr").check(subnetProblem(fromCidr));
    else if (fromRegistry === undefined)
      here.problem("one of fromCidr and fromRegistry is required");
    else if (!isLabel(fromRegistry)) {
      here.at("fromRegistry").problem(`"${fromRegistry}" is not a registry's name`);
    }
  }
  for (const [index, gateway] of gateways.entries()) {
    const here = report.at("gateways", index);
    const { registryServiceName, address, port } = gateway;
    if (registryServiceName !== undefined) {
      here.at("registryServiceName").check(fqdnProblem(registryServiceName));
    } else if (address === undefined) {
      here.problem("one of registryServiceName and address is required");
    } else if (!isAddress(address)) {
      here.at("address").check(fqdnProblem(address));
    }
    here.at("port").check(portProblem(port));
  }
}
