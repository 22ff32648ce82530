import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { compressor, counted, decode, library } from "./harness/compression.ts";
import {
  both,
  common,
  forwarded,
  gets,
  off,
  ofResponse,
  plain,
  post,
  postChunks,
  routed,
  telling,
  text,
} from "./harness/compressor.ts";
import { type HttpOptions, http, type JsonObject } from "./harness/config.ts";
import { type Scene, type Seen, scene } from "./harness/scene.ts";

const several = (...configs: readonly [JsonObject, JsonObject]): readonly JsonObject[] => [
  compressor(configs[0]),
  compressor(configs[1], "br"),
];

const chains: readonly ParityCase[] = [
  gets({
    name: "of equal weights the client's first wins",
    filters: several({}, {}),
    ask: "br, gzip",
    sees: [
      "content-encoding: br; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.compressed: 1, brotli.header_compressor_used: 1, brotli.request.not_compressed: 1, brotli.total_uncompressed_bytes: 56, gzip.header_compressor_overshadowed: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "the higher weight wins",
    filters: several({}, {}),
    ask: "gzip;q=0.3, br;q=0.4",
    sees: [
      "content-encoding: br; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.compressed: 1, brotli.header_compressor_used: 1, brotli.request.not_compressed: 1, brotli.total_uncompressed_bytes: 56, gzip.header_compressor_overshadowed: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "choose_first wins of equal weights",
    filters: several({ choose_first: true }, {}),
    ask: "br, gzip",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.header_compressor_overshadowed: 1, brotli.not_compressed: 1, brotli.request.not_compressed: 1, gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "of several choose_first the client's last wins",
    filters: several({ choose_first: true }, { choose_first: true }),
    ask: "gzip, br",
    sees: [
      "content-encoding: br; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.compressed: 1, brotli.header_compressor_used: 1, brotli.request.not_compressed: 1, brotli.total_uncompressed_bytes: 56, gzip.header_compressor_overshadowed: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "any coding takes the first compressor",
    filters: several({}, {}),
    ask: "*",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.header_wildcard: 1, brotli.not_compressed: 1, brotli.request.not_compressed: 1, gzip.compressed: 1, gzip.header_wildcard: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "identity is a coding like others",
    filters: several({}, {}),
    ask: "identity, gzip",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.header_identity: 1, brotli.not_compressed: 1, brotli.request.not_compressed: 1, gzip.header_identity: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "a compressor that does not take the type is no choice",
    filters: several({}, common({ content_type: ["a/b"] })),
    ask: "br, gzip;q=0.5",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.header_compressor_overshadowed: 1, brotli.request.not_compressed: 1, brotli.response.not_compressed: 1, gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a disabled compressor is a choice",
    filters: several({}, common(off)),
    ask: "br, gzip;q=0.5",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.request.not_compressed: 1, brotli.response.not_compressed: 1, gzip.header_compressor_overshadowed: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "two of one coding compress once",
    filters: [compressor(), compressor()],
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 2, gzip.not_compressed: 1, gzip.request.not_compressed: 2, gzip.total_uncompressed_bytes: 56",
    ],
  }),
];

/** Brotli by a route's choice; "gzip" when the body is that. */
function codes(name: string, config: JsonObject, sees: Seen, heddle?: Scene["heddle"]): ParityCase {
  return scene({
    name,
    config: http({
      filters: [compressor(config)],
      ...routed({ overrides: { compressor_library: library("br", "compressor") } }),
    }),
    upstream: answer(plain()),
    act: async (t) => {
      const { body, header } = await t.get("/", "accept-encoding: br");
      const said = () => decode("br", Buffer.from(body, "latin1"));
      return [header("content-encoding") ?? "", body.startsWith("\x1f\x8b") ? "gzip" : said()];
    },
    sees,
    ...(heddle === undefined ? {} : { heddle }),
  });
}

const routes: readonly ParityCase[] = [
  gets({
    name: "a route disables it",
    more: routed({ disabled: true }),
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "a route enables it",
    filters: [compressor(common(off))],
    more: routed({ overrides: { response_direction_config: {} } }),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "overrides without response_direction_config enable nothing",
    filters: [compressor(common(off))],
    more: routed({ overrides: {} }),
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "a route's library",
    filters: [compressor(telling())],
    more: routed({ overrides: { compressor_library: library("br", "compressor") } }),
    ask: "gzip",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_not_valid: 1, gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  codes("a route's library codes the response", {}, ["br", text]),
  codes("a route's library codes the response that has a status", telling(), ["br", "gzip"], {
    difference: "A route's compressor library codes its responses",
    sees: ["br", text],
  }),
];

/** What the upstream got as accept-encoding. */
const passedOn = (name: string, filter: JsonObject, options: HttpOptions, sees: Seen): ParityCase =>
  scene({
    name,
    config: http({ filters: [filter], ...options }),
    upstream: answer(plain()),
    act: async (t) => {
      const answered = await t.get("/", "accept-encoding: gzip");
      return [answered.header("content-encoding") ?? "", forwarded(t)];
    },
    sees,
  });

const removal = ofResponse({ remove_accept_encoding_header: true });
const removals: readonly ParityCase[] = [
  passedOn("accept-encoding goes on", compressor(), {}, ["gzip", "accept-encoding: gzip; "]),
  passedOn("remove_accept_encoding_header", compressor(removal), {}, ["gzip", ""]),
  passedOn(
    "a disabled compressor removes nothing",
    compressor(ofResponse({ remove_accept_encoding_header: true, common_config: off })),
    {},
    ["", "accept-encoding: gzip; "],
  ),
  passedOn(
    "a route removes accept-encoding",
    compressor(),
    routed({ overrides: { response_direction_config: { remove_accept_encoding_header: true } } }),
    ["gzip", ""],
  ),
];

const posts = (
  name: string,
  sent: string,
  sees: Seen,
  config: JsonObject = {},
  more: HttpOptions = {},
): ParityCase =>
  scene({
    name,
    config: http({ filters: [compressor({ request_direction_config: {}, ...config })], ...more }),
    upstream: answer(response(200, "ok", "content-type: a/b")),
    act: async (t) => {
      await t.send(sent);
      const trailers = t.upstream().requests.at(-1)?.trailers ?? [];
      return [forwarded(t), trailers.join(), await counted(t, "compressor.*request")];
    },
    sees,
  });

const requests: readonly ParityCase[] = [
  posts("a request is compressed", post(text, "content-type: text/plain"), [
    "content-encoding: gzip; transfer-encoding: chunked; 56 bytes, 91f7117",
    "",
    "gzip.request.compressed: 1, gzip.request.total_uncompressed_bytes: 56",
  ]),
  posts(
    "without request_direction_config no request is",
    post(text, "content-type: text/plain"),
    ["content-length: 56; 56 bytes, 91f7117", "", "gzip.request.not_compressed: 1"],
    { request_direction_config: null },
  ),
  posts(
    "request: enabled: false",
    post(text, "content-type: text/plain"),
    ["content-length: 56; 56 bytes, 91f7117", "", "gzip.request.not_compressed: 1"],
    {
      request_direction_config: { common_config: off },
    },
  ),
  posts("a short request", post("x", "content-type: text/plain"), [
    "content-length: 1; x",
    "",
    "gzip.request.content_length_too_small: 1, gzip.request.not_compressed: 1",
  ]),
  posts("a request of another type", post(text, "content-type: image/png"), [
    "content-length: 56; 56 bytes, 91f7117",
    "",
    "gzip.request.not_compressed: 1",
  ]),
  posts(
    "a request that is compressed already",
    post(text, "content-type: text/plain", "content-encoding: x"),
    [
      "content-encoding: x; content-length: 56; 56 bytes, 91f7117",
      "",
      "gzip.request.not_compressed: 1",
    ],
  ),
  posts("a request in pieces", postChunks("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"), [
    "content-encoding: gzip; transfer-encoding: chunked; abcdef",
    "",
    "gzip.request.compressed: 1, gzip.request.total_uncompressed_bytes: 6",
  ]),
  posts(
    "a request's trailers follow",
    postChunks("3\r\nabc\r\n0\r\nx-a: 1\r\n\r\n"),
    [
      "content-encoding: gzip; transfer-encoding: chunked; abc",
      "x-a,1",
      "gzip.request.compressed: 1, gzip.request.total_uncompressed_bytes: 3",
    ],
    {},
    both,
  ),
  posts("a large request", post(text.repeat(5000), "content-type: text/plain"), [
    "content-encoding: gzip; transfer-encoding: chunked; 280000 bytes, 25cede14",
    "",
    "gzip.request.compressed: 1, gzip.request.total_uncompressed_bytes: 280000",
  ]),
  posts(
    "a route that disables it does not mean requests",
    post(text, "content-type: text/plain"),
    [
      "content-encoding: gzip; transfer-encoding: chunked; 56 bytes, 91f7117",
      "",
      "gzip.request.compressed: 1, gzip.request.total_uncompressed_bytes: 56",
    ],
    {},
    routed({ disabled: true }),
  ),
  posts(
    "a route's library compresses requests",
    post(text, "content-type: text/plain"),
    [
      "content-encoding: br; transfer-encoding: chunked; 56 bytes, 91f7117",
      "",
      "gzip.request.compressed: 1, gzip.request.total_uncompressed_bytes: 56",
    ],
    {},
    routed({ overrides: { compressor_library: library("br", "compressor") } }),
  ),
];

parityArea("filter-compressor-routes", [...chains, ...routes, ...removals, ...requests]);
