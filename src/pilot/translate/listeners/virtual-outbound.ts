import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { listenerAccessLogs } from "./access-log.ts";
import { listenerAddress } from "./listener.ts";
import { blackHoleFilters, type TcpContext, unknownDestinationFilters } from "./tcp-proxy.ts";

/** Gets all redirected connections, gives those with a listener of their own to it, and the others to where they were going. */
export function virtualOutbound(context: TcpContext): ListenerJson {
  const { scope, traits } = context;
  const port = scope.mesh.proxyListenPort ?? 15001;
  const logs = listenerAccessLogs(scope.mesh);
  return {
    name: "virtualOutbound",
    address: listenerAddress({ bind: traits.wildcard, port }),
    filterChains: [
      {
        // Who dials the listener itself would be sent back to it for ever.
        filterChainMatch: { destinationPort: port },
        filters: [...blackHoleFilters()],
        name: "virtualOutbound-blackhole",
      },
      {
        filters: [...unknownDestinationFilters(context)],
        name: "virtualOutbound-catchall-tcp",
      },
    ],
    useOriginalDst: true,
    ...(scope.interceptionMode === "TPROXY" ? { transparent: true } : {}),
    trafficDirection: "OUTBOUND",
    ...(logs.length === 0 ? {} : { accessLog: [...logs] }),
  };
}
