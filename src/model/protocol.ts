import type { Protocol } from "./service.ts";

const protocols: ReadonlyMap<string, Protocol> = new Map([
  ["grpc", "GRPC"],
  ["grpc-web", "GRPC-Web"],
  ["http", "HTTP"],
  ["http_proxy", "HTTP_PROXY"],
  ["http2", "HTTP2"],
  ["https", "HTTPS"],
  ["mongo", "Mongo"],
  ["mysql", "MySQL"],
  ["redis", "Redis"],
  ["tcp", "TCP"],
  ["tls", "TLS"],
  ["udp", "UDP"],
]);

/** Kubernetes' own names of `appProtocol`. */
const kubernetesProtocols: ReadonlyMap<string, Protocol> = new Map([
  ["kubernetes.io/h2c", "HTTP2"],
  ["kubernetes.io/ws", "HTTP"],
  ["kubernetes.io/wss", "HTTPS"],
]);

/** Servers of these speak first (SMTP, MySQL, MongoDB) or are no streams of bytes to look into (DNS). */
const neverSniffed: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** The protocol of a word, in any case: `HTTP2`, `grpc-web`. */
export function parseProtocol(word: string): Protocol | undefined {
  return protocols.get(word.toLowerCase());
}

/** Of a port in a Gateway or a ServiceEntry: a word or nothing. */
export function protocolOf(word: string | undefined): Protocol {
  return parseProtocol(word ?? "") ?? "auto";
}

export interface KubernetesPort {
  readonly number: number;
  readonly name?: string | undefined;
  readonly appProtocol?: string | undefined;
  /** Kubernetes' `protocol`: TCP, UDP, SCTP. */
  readonly transport?: string | undefined;
}

/** Which protocol a Kubernetes port speaks: appProtocol, else its name's first part (`http-admin`), else found out by the proxy. */
export function kubernetesProtocol(port: KubernetesPort): Protocol {
  if (port.transport === "UDP") return "UDP";
  const known = kubernetesProtocols.get(port.appProtocol ?? "");
  if (known !== undefined) return known;
  const word = (port.appProtocol ?? port.name ?? "").toLowerCase();
  // Its name has a hyphen of its own.
  if (word.startsWith("grpc-web")) return "GRPC-Web";
  const protocol = protocols.get(word.split("-", 1)[0] ?? "");
  return protocol ?? (neverSniffed.has(port.number) ? "TCP" : "auto");
}

/** HTTP in clear text, in any of its forms. */
export function isHttp(protocol: Protocol): boolean {
  return (
    protocol === "HTTP" ||
    protocol === "HTTP2" ||
    protocol === "HTTP_PROXY" ||
    protocol === "GRPC" ||
    protocol === "GRPC-Web"
  );
}

/** HTTP/2 in clear text. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === "HTTP2" || protocol === "GRPC" || protocol === "GRPC-Web";
}

/** TLS that the proxy does not end. */
export function isTls(protocol: Protocol): boolean {
  return protocol === "HTTPS" || protocol === "TLS";
}

/** Bytes that nothing looks into. */
export function isTcp(protocol: Protocol): boolean {
  return (
    protocol === "TCP" ||
    protocol === "HTTPS" ||
    protocol === "TLS" ||
    protocol === "Mongo" ||
    protocol === "Redis" ||
    protocol === "MySQL"
  );
}
