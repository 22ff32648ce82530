import type { HttpVersion } from "#http/message.ts";

export type CodecType = "AUTO" | "HTTP1" | "HTTP2";

const preface = Buffer.from("PRI * HTTP/2.0", "latin1");

/**
 * Which HTTP a new connection speaks: what is configured, else what TLS has agreed on, else what the first bytes look like (RFC 9113
 * §3.4). Undefined: so far they could be either.
 */
export function negotiate(
  codecType: CodecType,
  alpn: string | undefined,
  seen: Uint8Array,
): HttpVersion | undefined {
  if (codecType === "HTTP1") return 11;
  if (codecType === "HTTP2" || alpn === "h2") return 20;
  if (alpn === "http/1.1" || alpn === "http/1.0") return 11;
  const length = Math.min(seen.length, preface.length);
  if (preface.compare(seen, 0, length, 0, length) !== 0) return 11;
  return length === preface.length ? 20 : undefined;
}
