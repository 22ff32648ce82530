import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { within } from "#lib/config-error.ts";
import { type Address, ipAddress } from "#net/address.ts";
import type { ConnectOptions } from "#net/connect.ts";
import { compileSocketOptions } from "../socket-options.ts";

/** The sockets of connections to a cluster's hosts. */
export function compileConnect(config: ClusterJson): ConnectOptions {
  const keepAlive = config.upstreamConnectionOptions?.tcpKeepalive;
  const source = config.upstreamBindConfig?.sourceAddress;
  const bound: Address | undefined =
    source === undefined ? undefined : ipAddress(source.address ?? "", source.portValue ?? 0);
  return {
    keepAlive:
      keepAlive === undefined
        ? undefined
        : {
            idleSeconds: keepAlive.keepaliveTime ?? 7200,
            intervalSeconds: keepAlive.keepaliveInterval ?? 75,
            probes: keepAlive.keepaliveProbes ?? 9,
          },
    source: bound,
    socketOptions: within("upstream_bind_config", () =>
      compileSocketOptions({
        family: bound?.family ?? 4,
        options: config.upstreamBindConfig?.socketOptions,
        freebind: config.upstreamBindConfig?.freebind,
      }),
    ),
  };
}
