import { isIP } from "node:net";
import type { ProxyView } from "#pilot/view.ts";

/** What a URL says of a call, as fields of a call file. */
export interface UrlCall {
  readonly address?: string;
  readonly port: number;
  readonly protocol: "http" | "http2" | "tcp";
  readonly tls: "plaintext" | "tls";
  readonly hostHeader?: string;
  readonly sni?: string;
  readonly path?: string;
  readonly method?: string;
}

const schemes: Readonly<Record<string, Pick<UrlCall, "port" | "protocol" | "tls">>> = {
  http: { port: 80, protocol: "http", tls: "plaintext" },
  https: { port: 443, protocol: "http", tls: "tls" },
  // HTTP/2 from the first byte, as gRPC clients have it.
  http2: { port: 80, protocol: "http2", tls: "plaintext" },
  grpc: { port: 80, protocol: "http2", tls: "plaintext" },
  tcp: { port: 0, protocol: "tcp", tls: "plaintext" },
  tls: { port: 443, protocol: "tcp", tls: "tls" },
};

const form =
  /^(?:(?<method>[A-Z]+) +)?(?<scheme>[a-z0-9]+):\/\/(?:\[(?<ip>[0-9a-f:.]+)\]|(?<name>[^/:?#[\]]+))(?::(?<port>\d+))?(?<path>[/?][^#]*)?$/;

/** `POST http://reviews:9080/reviews/0`; a string: what is wrong with it. The address is a service's, where the view knows the host. */
export function callOfUrl(text: string, view: ProxyView): UrlCall | string {
  const { method, scheme = "", ip, name, port, path } = form.exec(text.trim())?.groups ?? {};
  const host = ip ?? name;
  const known = schemes[scheme];
  if (host === undefined || known === undefined) {
    const words = Object.keys(schemes).map((word) => `${word}://`);
    return `"${text}" is no call: write [METHOD] URL, the URL with ${words.join(", ")}`;
  }
  const number = port === undefined ? known.port : Number(port);
  if (number === 0) return `"${text}" needs a port`;
  const address = isIP(host) === 0 ? addressOf(host, view) : host;
  const authority = `${ip === undefined ? host : `[${ip}]`}${port === undefined ? "" : `:${port}`}`;
  return {
    ...(address === undefined ? {} : { address }),
    port: number,
    protocol: known.protocol,
    tls: known.tls,
    ...(known.protocol === "tcp" ? {} : { hostHeader: authority }),
    ...(known.tls === "tls" ? { sni: host } : {}),
    ...(path === undefined ? {} : { path: path.startsWith("/") ? path : `/${path}` }),
    ...(method === undefined ? {} : { method }),
  };
}

/** What the proxy's workload would dial: names are tried as its resolver would. */
function addressOf(host: string, { scope, node }: ProxyView): string | undefined {
  const suffix = `svc.${scope.domain}`;
  const names = [host, `${host}.${node.namespace}.${suffix}`, `${host}.${suffix}`];
  for (const name of names) {
    const service = scope.service(name.toLowerCase());
    if (service === undefined) continue;
    const own = service.addresses.find((address) => isIP(address) !== 0);
    if (own !== undefined) return own;
    if (scope.dnsCapture && service.autoAddress !== undefined) return service.autoAddress;
    if (!service.headless) return undefined;
    return scope.endpoints(service).find(({ address }) => isIP(address) !== 0)?.address;
  }
  return undefined;
}
