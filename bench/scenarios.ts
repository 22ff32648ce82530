/** What a proxy is configured to do; one file of `configs/` for each proxy that takes part. */
export type ConfigKind = "plain" | "mesh" | "tcp";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly config: ConfigKind;
  readonly connections: number;
  /** The bytes every connection sends, again and again. */
  readonly request: string;
  /** Part of `--quick`. */
  readonly quick: boolean;
}

export const scenarios: readonly Scenario[] = [
  {
    name: "get70",
    title: "GET, answer of 70 bytes, 64 connections",
    config: "plain",
    connections: 64,
    request: get("/get"),
    quick: true,
  },
  {
    name: "get70-mesh",
    title: "GET, answer of 70 bytes, 64 connections, mesh-like configuration",
    config: "mesh",
    connections: 64,
    request: get("/api/reviews/7?lang=en", ["end-user: jason"]),
    quick: true,
  },
  {
    name: "get70-headers",
    title: "GET with 16 request headers, answer of 70 bytes, 64 connections",
    config: "plain",
    connections: 64,
    request: get("/get", browserHeaders()),
    quick: false,
  },
  {
    name: "get70-1000",
    title: "GET, answer of 70 bytes, 1,000 connections",
    config: "plain",
    connections: 1000,
    request: get("/get"),
    quick: false,
  },
  {
    name: "get10k",
    title: "GET, answer of 10 KB, 64 connections",
    config: "plain",
    connections: 64,
    request: get("/10k"),
    quick: false,
  },
  {
    name: "get1m",
    title: "GET, answer of 1 MB, 64 connections",
    config: "plain",
    connections: 64,
    request: get("/1m"),
    quick: false,
  },
  {
    name: "post1k",
    title: "POST of 1 KB, answer of 70 bytes, 64 connections",
    config: "plain",
    connections: 64,
    request: post("/post", 1024),
    quick: false,
  },
  {
    name: "post1k-mesh",
    title: "POST of 1 KB, answer of 70 bytes, 64 connections, mesh-like configuration",
    config: "mesh",
    connections: 64,
    request: post("/api/reviews/7", 1024, ["end-user: jason"]),
    quick: false,
  },
  {
    name: "tcp",
    title: "TCP: the same GET of 70 bytes, 64 connections, passed on as bytes",
    config: "tcp",
    connections: 64,
    request: get("/get"),
    quick: true,
  },
];

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
