import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type {
  FilterChainJson,
  ListenerFilterJson,
} from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { canonicalIp, ipAddress } from "#net/address.ts";
import type { AcceptedSocket } from "../filters/listener/filter.ts";
import { fittingFilterChains, type MatchInput } from "../listener/filter-chain-match.ts";
import { compileFilterChainMatcher } from "../listener/filter-chain-matcher.ts";
import { compilePredicate } from "../listener/filter-disabled.ts";
import type { Call, CallError } from "../simulated-call.ts";

const virtualInbound = "virtualInbound";
const virtualOutbound = "virtualOutbound";

/**
 * Which listener a call comes to. What is intercepted goes to the listener of its address and port, then of any address and that port,
 * then to the one that takes all interceptions.
 */
export function listenerOf(
  listeners: readonly ListenerJson[],
  call: Pick<Call, "address" | "port" | "callMode">,
): ListenerJson | undefined {
  if (call.callMode === "inbound") {
    const inbound = listeners.find(({ name }) => name === virtualInbound);
    // A sidecar without interception listens at its workload's own ports.
    return inbound ?? at(listeners, call.address, call.port);
  }
  const wildcard = call.address.includes(":") ? "::" : "0.0.0.0";
  return (
    at(listeners, call.address, call.port) ??
    at(listeners, wildcard, call.port) ??
    at(listeners, "0.0.0.0", call.port) ??
    listeners.find(({ name }) => name === virtualOutbound)
  );
}

function at(
  listeners: readonly ListenerJson[],
  ip: string,
  port: number,
): ListenerJson | undefined {
  const isThere = (address: AddressJson | undefined): boolean => {
    const { address: own = "", portValue } = address?.socketAddress ?? {};
    return portValue === port && canonicalIp(own) === canonicalIp(ip);
  };
  return listeners.find(
    ({ address, additionalAddresses = [] }) =>
      isThere(address) || additionalAddresses.some((additional) => isThere(additional.address)),
  );
}

export type ChainChoice =
  | { readonly chain: FilterChainJson }
  | { readonly error: Extract<CallError, "NoFilterChain" | "MultipleFilterChain"> };

/** Which filter chain takes the connection: by the proxy's own matching, after the listener filters have looked at it. */
export function chainOf(listener: ListenerJson, call: Call): ChainChoice {
  const input = inspected(listener, call);
  const { filterChains = [], defaultFilterChain, filterChainMatcher } = listener;
  if (filterChainMatcher !== undefined) {
    const named = filterChains.map((candidate) => ({
      chain: candidate,
      name: candidate.name ?? "",
      match: candidate.filterChainMatch,
    }));
    const chain = compileFilterChainMatcher(filterChainMatcher, named, defaultFilterChain)(input);
    return chain === undefined ? { error: "NoFilterChain" } : { chain };
  }
  const fitting = fittingFilterChains(
    filterChains.map((candidate) => ({ chain: candidate, match: candidate.filterChainMatch })),
    input,
  );
  if (fitting.length > 1) return { error: "MultipleFilterChain" };
  const chain = fitting[0] ?? defaultFilterChain;
  return chain === undefined ? { error: "NoFilterChain" } : { chain };
}

const inspectors = "type.googleapis.com/envoy.extensions.filters.listener";

/** What the listener's filters would find out about the connection. */
function inspected(listener: ListenerJson, call: Call): MatchInput {
  const secure = call.tls !== "plaintext";
  const looksAtTls = runs(listener, `${inspectors}.tls_inspector.v3.TlsInspector`, call);
  const looksAtHttp = runs(listener, `${inspectors}.http_inspector.v3.HttpInspector`, call);
  const found = secure ? (looksAtTls ? call.alpn : "") : looksAtHttp ? plainProtocol(call) : "";
  return {
    local: ipAddress(call.address, call.port),
    remote: clientAddress,
    directRemote: clientAddress,
    serverName: secure && looksAtTls ? call.sni.toLowerCase() : "",
    transportProtocol: secure && looksAtTls ? "tls" : "raw_buffer",
    applicationProtocols: found === "" ? [] : [found],
  };
}

/** Somebody else: of the test networks (RFC 5737), so that no rule for a real network takes it. */
const clientAddress = ipAddress("192.0.2.1", 50_000);

function plainProtocol({ protocol }: Call): string {
  return protocol === "http" ? "http/1.1" : protocol === "http2" ? "h2c" : "";
}

function runs({ listenerFilters = [] }: ListenerJson, type: string, call: Call): boolean {
  const filter = listenerFilters.find(({ typedConfig }) => typedConfig?.["@type"] === type);
  return filter !== undefined && !isDisabled(filter, call);
}

function isDisabled({ filterDisabled }: ListenerFilterJson, { address, port }: Call): boolean {
  if (filterDisabled === undefined) return false;
  const local = ipAddress(address, port);
  // Proof: the predicates of a listener filter look at the destination only.
  return compilePredicate(filterDisabled)({ local } as AcceptedSocket);
}
