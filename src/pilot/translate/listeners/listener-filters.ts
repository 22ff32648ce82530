import type {
  ListenerFilterChainMatchPredicateJson,
  ListenerFilterJson,
} from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import { packed } from "../any.ts";

function listenerFilter(name: string, message: string, config: object = {}): ListenerFilterJson {
  return {
    name: `envoy.filters.listener.${name}`,
    typedConfig: packed(`envoy.extensions.filters.listener.${name}.v3.${message}`, config),
  };
}

export const tlsInspector: ListenerFilterJson = listenerFilter("tls_inspector", "TlsInspector", {
  // Istio's: Envoy's 64 KiB for each connection are rarely needed, and it grows when they are.
  initialReadBufferSize: 512,
});
export const httpInspector: ListenerFilterJson = listenerFilter("http_inspector", "HttpInspector");
export const originalDestination: ListenerFilterJson = listenerFilter(
  "original_dst",
  "OriginalDst",
);
/** The mark tells the routing rules of TPROXY which connections are the proxy's own. */
export const originalSource: ListenerFilterJson = listenerFilter("original_src", "OriginalSrc", {
  mark: 1337,
});
export const proxyProtocol: ListenerFilterJson = listenerFilter("proxy_protocol", "ProxyProtocol");

/** Not for connections to these ports: inspection would wait for a client that waits for its server. */
export function exceptPorts(
  filter: ListenerFilterJson,
  ports: readonly number[],
): ListenerFilterJson {
  const rules = [...ports]
    .sort((a, b) => a - b)
    .map(
      (port): ListenerFilterChainMatchPredicateJson => ({
        destinationPortRange: { start: port, end: port + 1 },
      }),
    );
  const [first] = rules;
  if (first === undefined) return filter;
  return { ...filter, filterDisabled: rules.length === 1 ? first : { orMatch: { rules } } };
}
