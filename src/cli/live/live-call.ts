import { type LocalPorts, localPortsOf } from "#model/local-ports.ts";
import type { ExplainDump } from "#pilot/explain-dump.ts";
import type { ReadCall } from "../offline/call-file.ts";
import { type CallerHome, type UrlAndHeaders, type UrlCall, urlCall } from "../offline/call-url.ts";

/** The call as the proxy's workload makes it, or as somebody outside makes it to a gateway. */
export function liveCall(call: UrlAndHeaders, dump: ExplainDump): ReadCall {
  return urlCall(call, homeOf(dump), (parsed) => wayOf(parsed, dump));
}

function homeOf({ node, domain, addresses }: ExplainDump): CallerHome {
  const known = new Map(Object.entries(addresses));
  return { namespace: node.namespace, domain, addressOf: (hostname) => known.get(hostname) };
}

/** Where the call meets the proxy: intercepted on its way, or by an address of the proxy's own. */
function wayOf(call: UrlCall, { node, metadata, domain }: ExplainDump): object {
  const local = localPortsOf(metadata);
  if (node.type === "router") {
    // By the port of the Gateway, or by the one that stands in for it on this machine.
    const server =
      local?.inbound.find(({ servicePort }) => servicePort === call.port) ??
      local?.inbound.find(({ port }) => port === call.port);
    const place = server === undefined ? {} : { address: server.bind, port: server.port };
    return { callMode: "gateway", ...place };
  }
  if (local === undefined) return {};
  const own = ownListener(call, local, [node.namespace, "svc", domain].join("."));
  return own === undefined ? {} : { callMode: "gateway", ...own };
}

/** Of a sidecar that intercepts nothing: one for the service, else the program's HTTP proxy. */
function ownListener(
  { hostHeader = "", protocol, port, tls }: UrlCall,
  { outbound, httpProxy }: LocalPorts,
  suffix: string,
): { readonly address: string; readonly port: number } | undefined {
  const host = hostHeader.replace(/:\d+$/, "").toLowerCase();
  const names = [host, `${host}.${suffix}`];
  const mine = outbound.find(
    (one) =>
      one.port === port && (names.includes(one.host) || names.includes(`${one.host}.${suffix}`)),
  );
  if (mine !== undefined) return { address: mine.bind, port: mine.bindPort };
  // What is not HTTP in clear text goes past an HTTP proxy, or through it as a tunnel.
  if (httpProxy === undefined || protocol === "tcp" || tls !== "plaintext") return undefined;
  return { address: httpProxy.bind, port: httpProxy.port };
}
