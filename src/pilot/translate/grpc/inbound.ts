import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { ProxyView } from "../../view.ts";
import { isHttpOrSniffed } from "../protocols.ts";
import { grpcFilters, managerType } from "./manager.ts";

/** As Istio's bootstrap of gRPC servers has it: `xds.istio.io/grpc/lds/inbound/[::]:7070`. */
const prefix = "xds.istio.io/grpc/lds/inbound/";

/** gRFC A36: what a server that listens at an address accepts. In clear text: identities come with citadel. */
export function inboundListeners({ targets }: ProxyView): readonly ListenerJson[] {
  const served = targets.filter(({ port }) => isHttpOrSniffed(port.protocol));
  const ports = new Set(served.map(({ targetPort }) => targetPort));
  return [...ports].flatMap((port) =>
    ["0.0.0.0", "::"].map((address) => inboundListener(address, port)),
  );
}

const known = new Map<string, ListenerJson>();

function inboundListener(address: string, portValue: number): ListenerJson {
  const name = `${prefix}${address === "::" ? "[::]" : address}:${portValue}`;
  const before = known.get(name);
  if (before !== undefined) return before;
  const routeConfig = {
    name: `inbound|${portValue}||`,
    virtualHosts: [
      {
        name: `inbound|http|${portValue}`,
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, nonForwardingAction: {} }],
      },
    ],
  };
  const manager = { "@type": managerType, routeConfig, httpFilters: grpcFilters };
  const made: ListenerJson = {
    name,
    address: { socketAddress: { address, portValue } },
    trafficDirection: "INBOUND",
    filterChains: [
      {
        name: "inbound",
        filters: [{ name: "envoy.filters.network.http_connection_manager", typedConfig: manager }],
      },
    ],
  };
  known.set(name, made);
  return made;
}
