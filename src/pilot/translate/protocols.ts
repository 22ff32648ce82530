import type { Protocol } from "#model/service.ts";

const http: ReadonlySet<Protocol> = new Set(["GRPC", "GRPC-Web", "HTTP", "HTTP2", "HTTP_PROXY"]);

/** Its requests are routed one by one. */
export function isHttp(protocol: Protocol): boolean {
  return http.has(protocol);
}

/** HTTP, or what may turn out to be. */
export function isHttpOrSniffed(protocol: Protocol): boolean {
  return protocol === "auto" || isHttp(protocol);
}
