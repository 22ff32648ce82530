import { answer, response } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import { compressor, compressorName, counted, decoded } from "./compression.ts";
import { type HttpOptions, http, type JsonObject, route, toCluster } from "./config.ts";
import type { CaseContext } from "./context.ts";
import { upstreamCodec } from "./http1.ts";
import { type Seen, scene } from "./scene.ts";

/** What the compressor areas share. */

export const text = "some text that is worth to be compressed, for it is text";
export const plain = (...fields: readonly string[]): string =>
  response(200, text, "content-type: text/plain", ...fields);
export const chunks = (body: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n${body}`;

export const off: JsonObject = { enabled: { default_value: false, runtime_key: "none" } };
export const ofResponse = (config: JsonObject): JsonObject => ({
  response_direction_config: config,
});
export const common = (config: JsonObject): JsonObject => ofResponse({ common_config: config });
export const telling = (config: JsonObject = {}): JsonObject =>
  ofResponse({ status_header_enabled: true, ...config });
export const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [compressorName]: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.CompressorPerRoute",
      ...config,
    },
  },
});

export interface Exchange {
  readonly name: string;
  readonly filters?: readonly JsonObject[];
  readonly more?: HttpOptions;
  readonly answer?: string;
  readonly ask?: string;
  readonly sees: Seen;
  readonly heddle?: { readonly difference: string; readonly sees: Seen };
}

/** A GET, by default with `accept-encoding: gzip`: its answer, and what was counted. */
export const gets = ({
  filters = [compressor()],
  ask = "gzip",
  more,
  ...rest
}: Exchange): ParityCase =>
  scene({
    ...rest,
    config: http({ filters, ...more }),
    upstream: answer(rest.answer ?? plain()),
    act: async (t) => {
      const fields = ask === "" ? [] : [`accept-encoding: ${ask}`];
      return [decoded(await t.get("/", ...fields)), await counted(t, "compressor")];
    },
  });

export const routed = (config: JsonObject): HttpOptions => ({
  routes: [route({ prefix: "/" }, { ...toCluster(), ...perRoute(config) })],
});

export function forwarded(t: CaseContext): string {
  const message = t.upstream().requests.at(-1);
  return message === undefined ? "nothing" : decoded(message);
}

export const post = (body: string, ...fields: readonly string[]): string =>
  ["POST / HTTP/1.1", "host: a", ...fields, `content-length: ${body.length}`, "", body].join(
    "\r\n",
  );
export const postChunks = (body: string): string =>
  `POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n${body}`;
export const both: HttpOptions = {
  manager: { http_protocol_options: { enable_trailers: true } },
  clusters: [upstreamCodec({ enable_trailers: true })],
};

/** What the upstream gets of a request. */
