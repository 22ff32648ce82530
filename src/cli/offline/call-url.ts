import { isIP } from "node:net";
import type { ProxyView } from "#pilot/view.ts";
import { type ReadCall, readCall } from "./call-file.ts";

/** Where a caller lives: how it reads names. */
export interface CallerHome {
  readonly namespace: string;
  /** Of services: `cluster.local`. */
  readonly domain: string;
  /** What it dials for a service of this full name; undefined: nothing is known of it. */
  addressOf(hostname: string): string | undefined;
}

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

/** A URL with headers, as on a command line. */
export interface UrlAndHeaders {
  /** `[METHOD] URL` */
  readonly url: string;
  /** `name: value` */
  readonly headers: readonly string[];
  readonly method: string | undefined;
}

export function urlCall(
  { url, headers, method }: UrlAndHeaders,
  home: CallerHome,
  /** What else is known of the call: it wins over the URL. */
  wayOf: (call: UrlCall) => object = () => ({}),
): ReadCall {
  const parsed = callOfUrl(url, home);
  if (typeof parsed === "string") return { problems: [parsed] };
  const fields: Record<string, string[]> = {};
  for (const text of headers) {
    const [, name = "", value = ""] = /^([^:]+):\s*(.*)$/.exec(text) ?? [];
    if (name === "") return { problems: [`-H "${text}" must be "name: value"`] };
    fields[name] = [...(fields[name] ?? []), value];
  }
  return readCall(
    {
      ...parsed,
      ...wayOf(parsed),
      ...(Object.keys(fields).length === 0 ? {} : { headers: fields }),
      ...(method === undefined ? {} : { method }),
    },
    "call",
  );
}

/** `POST http://reviews:9080/reviews/0`; a string: what is wrong with it. The address is a service's, where the view knows the host. */
export function callOfUrl(text: string, home: CallerHome): UrlCall | string {
  const { method, scheme = "", ip, name, port, path } = form.exec(text.trim())?.groups ?? {};
  const host = ip ?? name;
  const known = schemes[scheme];
  if (host === undefined || known === undefined) {
    const words = Object.keys(schemes).map((word) => `${word}://`);
    return `"${text}" is no call: write [METHOD] URL, the URL with ${words.join(", ")}`;
  }
  const number = port === undefined ? known.port : Number(port);
  if (number === 0) return `"${text}" needs a port`;
  const address = isIP(host) === 0 ? dialled(host, home) : host;
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

/** Names are tried as the workload's resolver would. */
function dialled(host: string, { namespace, domain, addressOf }: CallerHome): string | undefined {
  const suffix = `svc.${domain}`;
  for (const name of [host, `${host}.${namespace}.${suffix}`, `${host}.${suffix}`]) {
    const address = addressOf(name.toLowerCase());
    if (address !== undefined) return address;
  }
  return undefined;
}

/** The workload of a proxy that is known by its view. */
export function homeOf({ scope, node }: ProxyView): CallerHome {
  return {
    namespace: node.namespace,
    domain: scope.domain,
    addressOf: (hostname) => {
      const service = scope.service(hostname);
      if (service === undefined) return undefined;
      const own = service.addresses.find((address) => isIP(address) !== 0);
      if (own !== undefined) return own;
      if (scope.dnsCapture && service.autoAddress !== undefined) return service.autoAddress;
      if (!service.headless) return undefined;
      return scope.endpoints(service).find(({ address }) => isIP(address) !== 0)?.address;
    },
  };
}
