/** What a proxy is configured to do; one file of `configs/` for each proxy that takes part. */
export type ConfigKind =
  | "plain"
  | "mesh"
  | "mesh-policies"
  | "tcp"
  | "h2"
  | "h2-to-h1"
  | "tls"
  | "tls-h2";

/** What stands behind the proxies: the benchmark's own server, nghttpd, an echo of grpc-go. */
export type UpstreamName = "http1" | "http2" | "grpc";

export interface H2loadLoad {
  readonly kind: "h2load";
  readonly protocol: "h2" | "http/1.1";
  readonly tls: boolean;
  readonly path: string;
  /** Requests at a time on each connection. */
  readonly streams: number;
}

/** What sends the requests; only `load`, the benchmark's own generator, can hold a constant rate. */
export type Load =
  /** The bytes that every connection sends, again and again. */
  | { readonly kind: "load"; readonly request: string }
  | H2loadLoad
  /** A new TLS connection for each request. */
  | { readonly kind: "handshakes"; readonly resume: boolean }
  /** gRPC calls of a small message; `streams` at a time on each connection. */
  | { readonly kind: "ghz"; readonly streams: number };

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly config: ConfigKind;
  readonly upstream: UpstreamName;
  readonly connections: number;
  readonly load: Load;
  /** Part of `--quick`. */
  readonly quick: boolean;
}

export const scenarios: readonly Scenario[] = [
  {
    name: "get70",
    title: "GET, answer of 70 bytes, 64 connections",
    config: "plain",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/get") },
    quick: true,
  },
  {
    name: "get70-mesh",
    title: "GET, answer of 70 bytes, 64 connections, mesh-like configuration",
    config: "mesh",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/api/reviews/7?lang=en", ["end-user: jason"]) },
    quick: true,
  },
  {
    name: "get70-policies",
    title:
      "GET, answer of 70 bytes, 64 connections, mesh-like configuration with ten filters, retries, outlier detection",
    config: "mesh-policies",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/api/reviews/7?lang=en", ["end-user: jason"]) },
    quick: false,
  },
  {
    name: "get70-headers",
    title: "GET with 16 request headers, answer of 70 bytes, 64 connections",
    config: "plain",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/get", browserHeaders()) },
    quick: false,
  },
  {
    name: "get70-1000",
    title: "GET, answer of 70 bytes, 1,000 connections",
    config: "plain",
    upstream: "http1",
    connections: 1000,
    load: { kind: "load", request: get("/get") },
    quick: false,
  },
  {
    name: "get10k",
    title: "GET, answer of 10 KB, 64 connections",
    config: "plain",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/10k") },
    quick: false,
  },
  {
    name: "get1m",
    title: "GET, answer of 1 MB, 64 connections",
    config: "plain",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/1m") },
    quick: false,
  },
  {
    name: "post1k",
    title: "POST of 1 KB, answer of 70 bytes, 64 connections",
    config: "plain",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: post("/post", 1024) },
    quick: false,
  },
  {
    name: "post1k-mesh",
    title: "POST of 1 KB, answer of 70 bytes, 64 connections, mesh-like configuration",
    config: "mesh",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: post("/api/reviews/7", 1024, ["end-user: jason"]) },
    quick: false,
  },
  {
    name: "tcp",
    title: "TCP: the same GET of 70 bytes, 64 connections, passed on as bytes",
    config: "tcp",
    upstream: "http1",
    connections: 64,
    load: { kind: "load", request: get("/get") },
    quick: true,
  },
  {
    name: "h2-8x32",
    title: "HTTP/2 on both sides, clear text, GET, answer of 70 bytes, 8 connections × 32 streams",
    config: "h2",
    upstream: "http2",
    connections: 8,
    load: http2(32),
    quick: true,
  },
  {
    name: "h2-64x1",
    title: "HTTP/2 on both sides, clear text, GET, answer of 70 bytes, 64 connections × 1 stream",
    config: "h2",
    upstream: "http2",
    connections: 64,
    load: http2(1),
    quick: false,
  },
  {
    name: "h2-to-h1",
    title: "HTTP/2 to HTTP/1.1, clear text, GET, answer of 70 bytes, 8 connections × 32 streams",
    config: "h2-to-h1",
    upstream: "http1",
    connections: 8,
    load: http2(32),
    quick: false,
  },
  {
    name: "tls-get70",
    title: "TLS, HTTP/1.1 keep-alive, GET, answer of 70 bytes, 64 connections",
    config: "tls",
    upstream: "http1",
    connections: 64,
    load: { kind: "h2load", protocol: "http/1.1", tls: true, path: "/get", streams: 1 },
    quick: true,
  },
  {
    name: "tls-h2",
    title: "TLS, HTTP/2 on both sides, GET, answer of 70 bytes, 8 connections × 32 streams",
    config: "tls-h2",
    upstream: "http2",
    connections: 8,
    load: { kind: "h2load", protocol: "h2", tls: true, path: "/get", streams: 32 },
    quick: false,
  },
  {
    name: "tls-get1m",
    title: "TLS, HTTP/1.1 keep-alive, GET, answer of 1 MB, 64 connections",
    config: "tls",
    upstream: "http1",
    connections: 64,
    load: { kind: "h2load", protocol: "http/1.1", tls: true, path: "/1m", streams: 1 },
    quick: false,
  },
  {
    name: "tls-handshakes",
    title: "A new TLS connection for each GET, full handshakes (ECDSA P-256), 16 at a time",
    config: "tls",
    upstream: "http1",
    connections: 16,
    load: { kind: "handshakes", resume: false },
    quick: true,
  },
  {
    name: "tls-resumptions",
    title: "A new TLS connection for each GET, resumed by a ticket, 16 at a time",
    config: "tls",
    upstream: "http1",
    connections: 16,
    load: { kind: "handshakes", resume: true },
    quick: false,
  },
  {
    name: "grpc-unary",
    title: "gRPC unary calls by ghz, HTTP/2 on both sides, clear text, 8 connections × 16 calls",
    config: "h2",
    upstream: "grpc",
    connections: 8,
    load: { kind: "ghz", streams: 16 },
    quick: true,
  },
];

/** Memory of connections that have asked once and stay open: how many there are is the only load. */
export interface IdleScenario {
  readonly name: string;
  readonly title: string;
  readonly config: ConfigKind;
  readonly upstream: UpstreamName;
  readonly connections: number;
  readonly load: H2loadLoad;
}

export const idleScenarios: readonly IdleScenario[] = [
  {
    name: "idle-http1",
    title: "HTTP/1.1, clear text",
    config: "plain",
    upstream: "http1",
    connections: 10_000,
    load: { kind: "h2load", protocol: "http/1.1", tls: false, path: "/get", streams: 1 },
  },
  {
    name: "idle-tls",
    title: "HTTP/1.1, TLS",
    config: "tls",
    upstream: "http1",
    connections: 10_000,
    load: { kind: "h2load", protocol: "http/1.1", tls: true, path: "/get", streams: 1 },
  },
  {
    name: "idle-h2",
    title: "HTTP/2, clear text",
    config: "h2-to-h1",
    upstream: "http1",
    connections: 10_000,
    load: http2(1),
  },
];

function http2(streams: number): H2loadLoad {
  return { kind: "h2load", protocol: "h2", tls: false, path: "/get", streams };
}

/** What curl sends, and more on demand. */
function get(path: string, more: readonly string[] = []): string {
  return head("GET", path, more);
}

function post(path: string, bodyBytes: number, more: readonly string[] = []): string {
  const fields = ["content-type: application/json", `content-length: ${bodyBytes}`, ...more];
  return head("POST", path, fields) + "x".repeat(bodyBytes);
}

function head(method: string, path: string, more: readonly string[]): string {
  const fields = ["Host: shop.default", "User-Agent: curl/8.5.0", "Accept: */*", ...more];
  return `${method} ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`;
}

function browserHeaders(): readonly string[] {
  return [
    "accept-encoding: gzip, deflate, br",
    "accept-language: en-GB,en;q=0.9,de;q=0.8",
    "cache-control: no-cache",
    `cookie: session=${"0123456789abcdef".repeat(8)}; theme=dark; consent=all`,
    "dnt: 1",
    "origin: https://shop.example.com",
    "pragma: no-cache",
    "referer: https://shop.example.com/products/7?utm_source=mail",
    "sec-fetch-dest: empty",
    "sec-fetch-mode: cors",
    "sec-fetch-site: same-origin",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "x-requested-with: XMLHttpRequest",
  ];
}
