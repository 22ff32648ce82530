import { type CaseConfig, cluster, extension, http, type JsonObject } from "./config.ts";

/** What the HTTP/1 areas share. */

/** A message head: its lines, each ended, and the empty line. */
export const lines = (...text: readonly string[]): string => `${text.join("\r\n")}\r\n\r\n`;

/** After a refusal Envoy waits this long for the client to close first; by default a second. */
export const closesSoon: JsonObject = { delayed_close_timeout: "0.05s" };

/** A plain listener with these HTTP/1 options. */
export const codec = (options: JsonObject): CaseConfig =>
  http({ manager: { ...closesSoon, http_protocol_options: options } });

/** The cluster `main` with these HTTP/1 options. */
export function upstreamCodec(options: JsonObject): JsonObject {
  const name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  const { typed_config } = extension(name, name, {
    explicit_http_config: { http_protocol_options: options },
  });
  return cluster("main", { typed_extension_protocol_options: { [name]: typed_config } });
}

/** A chunked body without trailers. */
export const chunked = (...pieces: readonly string[]): string =>
  `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")}0\r\n\r\n`;
