import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { FilterChainJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { decidedBy } from "../../provenance.ts";
import { type Chain, chainMatch, matchesAll } from "./chain.ts";
import { httpInspector, tlsInspector } from "./listener-filters.ts";
import { type TcpContext, unknownDestinationFilters } from "./tcp-proxy.ts";
import { tlsTransportSocket } from "./transport-socket.ts";

export interface Binding {
  /** An IP address or `unix://` and a path. */
  readonly bind: string;
  /** 0 with a path. */
  readonly port: number;
  /** False: only connections that were made to this address and redirected come here. */
  readonly bindToPort: boolean;
}

export const listenerName = ({ bind, port }: Pick<Binding, "bind" | "port">): string =>
  `${bind}_${port}`;

export function listenerAddress({ bind, port }: Pick<Binding, "bind" | "port">): AddressJson {
  return bind.startsWith("unix://")
    ? { pipe: { path: bind.slice("unix://".length) } }
    : { socketAddress: { address: bind, portValue: port } };
}

/** The chain that takes what no other one takes. */
const fallThroughName = "PassthroughFilterChain";

export function outboundListener(
  binding: Binding,
  chains: readonly Chain[],
  context: TcpContext,
): ListenerJson {
  const matched = chains.filter((chain) => !matchesAll(chain)).map(filterChain);
  // A chain that takes everything is the default: Envoy looks for the most specific condition first and never turns back.
  const rest = chains.filter(matchesAll).map(filterChain).at(-1);
  const fallThrough: FilterChainJson = {
    filterChainMatch: {},
    name: fallThroughName,
    filters: [...unknownDestinationFilters(context)],
  };
  return {
    name: listenerName(binding),
    address: listenerAddress(binding),
    ...(matched.length === 0 && rest !== undefined
      ? { filterChains: [rest] }
      : { filterChains: matched, defaultFilterChain: rest ?? fallThrough }),
    ...inspection(chains, context),
    continueOnListenerFiltersTimeout: true,
    trafficDirection: "OUTBOUND",
    ...(binding.bindToPort ? {} : { bindToPort: false }),
  };
}

function inspection(
  chains: readonly Chain[],
  { scope }: TcpContext,
): Pick<ListenerJson, "listenerFilters" | "listenerFiltersTimeout"> {
  const http = chains.some(({ applicationProtocols = [] }) => applicationProtocols.length > 0);
  const tls = chains.some(({ sniHosts = [] }) => sniHosts.length > 0);
  if (!http)
    return {
      ...(tls ? { listenerFilters: [tlsInspector] } : {}),
      listenerFiltersTimeout: "0s",
    };
  return {
    // The TLS inspector too: Envoy would add its own as soon as a chain asks for application protocols.
    listenerFilters: [tlsInspector, httpInspector],
    listenerFiltersTimeout: scope.mesh.protocolDetectionTimeout ?? "0s",
  };
}

export function filterChain(chain: Chain): FilterChainJson {
  const match = chainMatch(chain);
  const generated: FilterChainJson = {
    ...(match === undefined ? {} : { filterChainMatch: match }),
    filters: [...chain.filters],
    ...(chain.metadata === undefined ? {} : { metadata: chain.metadata }),
    ...(chain.tls === undefined ? {} : { transportSocket: tlsTransportSocket(chain.tls) }),
    ...(chain.tls === undefined || chain.handshakeTimeout === undefined
      ? {}
      : { transportSocketConnectTimeout: chain.handshakeTimeout }),
  };
  return decidedBy(generated, ...chain.rules);
}
