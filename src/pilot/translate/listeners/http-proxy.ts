import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { type HttpProxyPort, localPortsOf } from "#model/local-ports.ts";
import type { ProxyView } from "../../view.ts";
import { dnsCachesFor } from "./dynamic-dns.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { listenerName, outboundListener } from "./listener.ts";
import type { TcpContext } from "./tcp-proxy.ts";

/** Where programs that follow HTTP_PROXY send their requests, with the whole URL; undefined: nowhere. */
export function httpProxyListener(view: ProxyView, context: TcpContext): ListenerJson | undefined {
  const place = httpProxyPort(view, context);
  if (place === undefined) return undefined;
  const { scope, traits } = context;
  const filter = httpConnectionManager(
    {
      listenerClass: "outbound",
      statPrefix: `outbound_${listenerName(place)};`,
      routes: "http_proxy",
      protocol: "HTTP_PROXY",
      settings: {
        httpProtocolOptions: {
          allowAbsoluteUrl: true,
          ...(traits.http10 ? { acceptHttp10: true } : {}),
        },
      },
    },
    { mesh: scope.mesh, traits, dnsCaches: dnsCachesFor(undefined, context) },
  );
  return outboundListener(
    { ...place, bindToPort: true },
    [{ filters: [filter], rules: [] }],
    context,
  );
}

function httpProxyPort(
  { node, scope }: ProxyView,
  { traits }: TcpContext,
): HttpProxyPort | undefined {
  const local = localPortsOf(node.metadata);
  if (local !== undefined) return local.httpProxy;
  const own = Number(node.metadata["HTTP_PROXY_PORT"] ?? "");
  const port = Number.isInteger(own) && own > 0 && own < 65_536 ? own : scope.mesh.proxyHttpPort;
  return port === undefined || port === 0 ? undefined : { bind: traits.loopback, port };
}
