/** Listeners of a gateway: one for each port and address that its Gateways ask for. */

import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { isHttp, protocolOf } from "#model/protocol.ts";
import type { MergedPort, MergedServer, ProxyView } from "../../view.ts";
import { listenerAccessLogs } from "./access-log.ts";
import { apart, type Chain } from "./chain.ts";
import { dnsCachesFor } from "./dynamic-dns.ts";
import { serverHosts, serverRule } from "./gateway-server.ts";
import { gatewayTcpChains } from "./gateway-tcp.ts";
import { gatewayTls } from "./gateway-tls.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { filterChain, listenerAddress, listenerName } from "./listener.ts";
import { proxyProtocol, tlsInspector } from "./listener-filters.ts";
import type { ListenerProblem } from "./problems.ts";
import { gatewayClientCertificate } from "./proxy-headers.ts";
import type { TcpContext } from "./tcp-proxy.ts";
import { traitsOf } from "./traits.ts";
import { unsupportedSettings } from "./unsupported.ts";

export interface GatewayListeners {
  readonly listeners: readonly ListenerJson[];
  readonly problems: readonly ListenerProblem[];
}

export interface GatewayContext extends TcpContext {
  readonly view: ProxyView;
  readonly problems: ListenerProblem[];
}

export function gatewayListeners(view: ProxyView): GatewayListeners {
  const traits = traitsOf(view);
  const context: GatewayContext = {
    view,
    scope: view.scope,
    traits,
    problems: [...unsupportedSettings(view, traits)],
  };
  const listeners = view.servers.flatMap((port) => portListener(port, context));
  return { listeners, problems: context.problems };
}

function portListener(merged: MergedPort, context: GatewayContext): readonly ListenerJson[] {
  const { traits, scope, problems } = context;
  const { port } = merged;
  const bind = merged.bind || traits.wildcard;
  const name = listenerName({ bind, port });
  if (traits.unprivileged && port < 1024) {
    problems.push({
      listener: name,
      message: `an unprivileged gateway cannot listen on port ${port}`,
    });
    return [];
  }
  const chains = apart(portChains(merged, name, context), (message) =>
    problems.push({ metric: "pilot_total_rejected_configs", listener: name, message }),
  );
  // Envoy refuses a listener without chains, and the port is better closed than open to nothing.
  if (chains.length === 0) return [];
  const logs = listenerAccessLogs(scope.mesh);
  return [
    {
      name,
      address: listenerAddress({ bind, port }),
      filterChains: chains.map((chain) => filterChain({ ...chain, handshakeTimeout: "15s" })),
      ...gatewayListenerFilters(chains, context),
      // A client that says nothing has no chain to go to.
      listenerFiltersTimeout: "0s",
      trafficDirection: "OUTBOUND",
      ...(logs.length === 0 ? {} : { accessLog: [...logs] }),
    },
  ];
}

function gatewayListenerFilters(
  chains: readonly Chain[],
  { traits }: GatewayContext,
): Pick<ListenerJson, "listenerFilters"> {
  const filters = [
    ...(traits.proxyConfig.gatewayTopology?.proxyProtocol === undefined ? [] : [proxyProtocol]),
    ...(chains.some(({ tls, sniHosts = [] }) => tls !== undefined || sniHosts.length > 0)
      ? [tlsInspector]
      : []),
  ];
  return filters.length === 0 ? {} : { listenerFilters: filters };
}

function portChains(
  { servers }: MergedPort,
  listener: string,
  context: GatewayContext,
): readonly Chain[] {
  const [first] = servers;
  if (first === undefined) return [];
  // Plain HTTP has no server names: all servers of the port share one chain, and their routes by one name.
  if (isHttp(protocolOf(first.server.port?.protocol)))
    return [
      {
        filters: [gatewayHttp(first, `outbound_${listener};`, context)],
        rules: servers.map(serverRule),
      },
    ];
  return servers.flatMap((server) =>
    server.routeName === undefined
      ? gatewayTcpChains(server, listener, context)
      : httpsChain(server, listener, context),
  );
}

function httpsChain(
  merged: MergedServer,
  listener: string,
  context: GatewayContext,
): readonly Chain[] {
  const tls = gatewayTls(merged, listener, context);
  if (tls === undefined) return [];
  const { server } = merged;
  return [
    {
      sniHosts: serverHosts(server),
      tls,
      filters: [gatewayHttp(merged, server.name || `outbound_${listener};`, context)],
      rules: [serverRule(merged)],
    },
  ];
}

function gatewayHttp(
  { server, routeName = "" }: MergedServer,
  statPrefix: string,
  context: GatewayContext,
): Chain["filters"][number] {
  const { scope, traits } = context;
  const hops = traits.proxyConfig.gatewayTopology?.numTrustedProxies ?? 0;
  const settings: Partial<HttpConnectionManagerJson> = {
    ...(hops === 0 ? {} : { xffNumTrustedHops: hops }),
    ...gatewayClientCertificate(traits.proxyConfig),
  };
  return httpConnectionManager(
    {
      listenerClass: "gateway",
      statPrefix,
      routes: routeName,
      protocol: protocolOf(server.port?.protocol),
      settings,
    },
    { mesh: scope.mesh, traits, dnsCaches: dnsCachesFor(undefined, context) },
  );
}
