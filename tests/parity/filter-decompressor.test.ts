import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { answerFrames } from "../../testkit/http2/frame-peer.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  compressor,
  counted,
  decoded,
  type Encoding,
  encode,
  library,
} from "./harness/compression.ts";
import { both, forwarded, off, plain, post, text } from "./harness/compressor.ts";
import { extension, type HttpOptions, http, type JsonObject } from "./harness/config.ts";
import { lines } from "./harness/http1.ts";
import { askFrames, http2, http2Cluster, request, streamText } from "./harness/http2.ts";
import { type Scene, type Seen, scene } from "./harness/scene.ts";

const filterName = "envoy.filters.http.decompressor";
const decompressor = (
  config: JsonObject = {},
  encoding: Encoding = "gzip",
  libraryConfig: JsonObject = {},
): JsonObject =>
  extension(filterName, "envoy.extensions.filters.http.decompressor.v3.Decompressor", {
    decompressor_library: library(encoding, "decompressor", libraryConfig),
    ...config,
  });

const encodings: readonly Encoding[] = ["gzip", "br", "zstd"];
const latin1 = (...parts: readonly (Buffer | string)[]): string =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string, "latin1"))).toString("latin1");
const zipped = (encoding: Encoding, said: string, ...fields: readonly string[]): string =>
  response(200, latin1(encode(encoding, said)), `content-encoding: ${encoding}`, ...fields);
const stored = (encoding: Encoding, ...parts: readonly (Buffer | string)[]): string =>
  response(200, latin1(...parts), `content-encoding: ${encoding}`);

interface Exchange extends Pick<Scene, "name" | "sees" | "heddle"> {
  readonly filters?: readonly JsonObject[];
  readonly more?: HttpOptions;
  readonly answer: string;
  readonly ask?: readonly string[];
}

/** A GET: its answer, what the upstream was asked, and what was counted. */
const gets = ({ filters = [decompressor()], ask = [], more, ...rest }: Exchange): ParityCase =>
  scene({
    ...rest,
    config: http({ filters, ...more }),
    upstream: answer(rest.answer),
    act: async (t) => [
      decoded(await t.get("/", ...ask)),
      forwarded(t),
      await counted(t, "decompressor"),
    ],
  });

const responses: readonly ParityCase[] = [
  gets({
    name: "gzip",
    answer: zipped("gzip", text),
    sees: [
      "transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "brotli",
    filters: [decompressor({}, "br")],
    answer: zipped("br", text),
    sees: [
      "transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: br; ",
      "brotli.response.decompressed: 1, brotli.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "zstd",
    filters: [decompressor({}, "zstd")],
    answer: zipped("zstd", text),
    sees: [
      "transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: zstd; ",
      "zstd.response.decompressed: 1, zstd.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "every setting of gzip",
    filters: [
      decompressor({}, "gzip", { window_bits: 15, chunk_size: 65536, max_inflate_ratio: 1032 }),
    ],
    answer: zipped("gzip", "a".repeat(1_000_000)),
    sees: [
      "transfer-encoding: chunked; 1000000 bytes, dc25bfbc",
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 1000000",
    ],
  }),
  gets({
    name: "every setting of brotli",
    filters: [decompressor({}, "br", { disable_ring_buffer_reallocation: true, chunk_size: 8192 })],
    answer: zipped("br", text),
    sees: [
      "transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: br; ",
      "brotli.response.decompressed: 1, brotli.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a response that is not compressed",
    answer: plain(),
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "accept-encoding: gzip; ",
      "gzip.response.not_decompressed: 1",
    ],
  }),
  gets({
    name: "a response of another coding",
    answer: plain("content-encoding: x"),
    sees: [
      "content-encoding: x; content-length: 56; 56 bytes, 91f7117",
      "accept-encoding: gzip; ",
      "gzip.response.not_decompressed: 1",
    ],
  }),
  gets({
    name: "the first of several codings, in any case",
    answer: response(200, latin1(encode("gzip", text)), "content-encoding: GZip , x"),
    sees: [
      "content-encoding: x; transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a coding that is not the first",
    answer: response(200, latin1(encode("gzip", text)), "content-encoding: x, gzip"),
    sees: [
      "content-encoding: x, gzip; content-length: 70; 70 bytes, 21ed1ac5",
      "accept-encoding: gzip; ",
      "gzip.response.not_decompressed: 1",
    ],
  }),
  gets({
    name: "an etag and vary stay",
    answer: zipped("gzip", text, 'etag: "a"', "vary: x"),
    sees: [
      'etag: "a"; transfer-encoding: chunked; vary: x; 56 bytes, 91f7117',
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "cache-control no-transform",
    answer: zipped("gzip", text, "cache-control: a, No-Transform"),
    sees: [
      "cache-control: a, No-Transform; content-encoding: gzip; content-length: 70; 56 bytes, 91f7117",
      "accept-encoding: gzip; ",
      "gzip.response.not_decompressed: 1",
    ],
  }),
  gets({
    name: "ignore_no_transform_header",
    filters: [
      decompressor({
        response_direction_config: { common_config: { ignore_no_transform_header: true } },
      }),
    ],
    answer: zipped("gzip", text, "cache-control: no-transform"),
    sees: [
      "cache-control: no-transform; transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "responses disabled",
    filters: [decompressor({ response_direction_config: { common_config: off } })],
    answer: zipped("gzip", text),
    sees: [
      "content-encoding: gzip; content-length: 70; 56 bytes, 91f7117",
      "",
      "gzip.response.not_decompressed: 1",
    ],
  }),
  gets({
    name: "an empty body",
    answer:
      "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    sees: [
      "transfer-encoding: chunked; ",
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1",
    ],
  }),
  gets({
    name: "a body of length 0",
    answer: response(200, "", "content-encoding: gzip"),
    sees: ["content-encoding: gzip; content-length: 0; ", "accept-encoding: gzip; ", ""],
  }),
  gets({
    name: "a body that ends too soon is worth what there is",
    filters: [decompressor({}, "zstd")],
    answer: stored("zstd", encode("zstd", text).subarray(0, 20)),
    sees: [
      "transfer-encoding: chunked; some text t",
      "accept-encoding: zstd; ",
      "zstd.response.decompressed: 1, zstd.response.total_uncompressed_bytes: 11",
    ],
  }),
  gets({
    name: "two zstd frames",
    filters: [decompressor({}, "zstd")],
    answer: stored("zstd", encode("zstd", "one"), encode("zstd", "two")),
    sees: [
      "transfer-encoding: chunked; onetwo",
      "accept-encoding: zstd; ",
      "zstd.response.decompressed: 1, zstd.response.total_uncompressed_bytes: 6",
    ],
  }),
  gets({
    name: "two gzip members",
    answer: stored("gzip", encode("gzip", "one"), encode("gzip", "two")),
    sees: [
      "transfer-encoding: chunked; one",
      "accept-encoding: gzip; ",
      "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 3",
    ],
    heddle: {
      difference: "Every member of a gzip body is decompressed",
      sees: [
        "transfer-encoding: chunked; onetwo",
        "accept-encoding: gzip; ",
        "gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 6",
      ],
    },
  }),
  gets({
    name: "two decompressors",
    filters: [decompressor(), decompressor({}, "br")],
    answer: response(200, latin1(encode("br", encode("gzip", text))), "content-encoding: br, gzip"),
    sees: [
      "transfer-encoding: chunked; 56 bytes, 91f7117",
      "accept-encoding: gzip,br; ",
      "brotli.response.decompressed: 1, brotli.response.total_uncompressed_bytes: 70, gzip.response.decompressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "brotli in, gzip out",
    filters: [compressor(), decompressor({}, "br")],
    answer: zipped("br", text, "content-type: text/plain"),
    ask: ["accept-encoding: gzip"],
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "accept-encoding: gzip,br; ",
      "brotli.response.decompressed: 1, brotli.response.total_uncompressed_bytes: 56",
    ],
  }),
];

const advertised = (name: string, asked: string, sees: Seen, config: JsonObject = {}): ParityCase =>
  scene({
    name,
    config: http({ filters: [decompressor(config)] }),
    upstream: answer(plain()),
    act: async (t) => {
      await t.get("/", ...(asked === "" ? [] : [`accept-encoding: ${asked}`]));
      return [forwarded(t)];
    },
    sees,
  });

const advertisements: readonly ParityCase[] = [
  advertised("the coding is asked for", "", ["accept-encoding: gzip; "]),
  advertised("the coding is asked for last", "br;q=0.5, x", ["accept-encoding: br;q=0.5,x,gzip; "]),
  advertised("the coding is asked for once and without weight", "gzip ; q=0.3,, br, gzip", [
    "accept-encoding: br,gzip; ",
  ]),
  advertised("another case is another coding", "GZIP", ["accept-encoding: GZIP,gzip; "]),
  advertised("advertise_accept_encoding: false", "x", ["accept-encoding: x; "], {
    request_direction_config: { advertise_accept_encoding: false },
  }),
];

/** What the upstream gets of a request. */
const posts = (
  name: string,
  sent: string,
  sees: Seen,
  config: JsonObject = {},
  more: HttpOptions = {},
): ParityCase =>
  scene({
    name,
    config: http({ filters: [decompressor(config)], ...more }),
    upstream: answer(response(200, "ok")),
    act: async (t) => {
      await t.send(sent);
      const trailers = t.upstream().requests.at(-1)?.trailers ?? [];
      return [forwarded(t), trailers.map(String), await counted(t, "decompressor.*request")];
    },
    sees,
  });

const zippedText = latin1(encode("gzip", text));
const inTwo = (ending: string): string =>
  `${lines("POST / HTTP/1.1", "host: a", "content-encoding: gzip", "transfer-encoding: chunked")}a\r\n${zippedText.slice(0, 10)}\r\n${(zippedText.length - 10).toString(16)}\r\n${zippedText.slice(10)}\r\n0\r\n${ending}\r\n`;

const requests: readonly ParityCase[] = [
  posts("a request", post(zippedText, "content-encoding: gzip"), [
    "accept-encoding: gzip; transfer-encoding: chunked; 56 bytes, 91f7117",
    [],
    "gzip.request.decompressed: 1, gzip.request.total_uncompressed_bytes: 56",
  ]),
  posts(
    "requests disabled",
    post(zippedText, "content-encoding: gzip"),
    [
      "accept-encoding: gzip; content-encoding: gzip; content-length: 70; 56 bytes, 91f7117",
      [],
      "gzip.request.not_decompressed: 1",
    ],
    {
      request_direction_config: { common_config: off },
    },
  ),
  posts(
    "a request's trailers say what was done",
    post(zippedText, "content-encoding: gzip"),
    [
      "accept-encoding: gzip; transfer-encoding: chunked; 56 bytes, 91f7117",
      [
        "x-envoy-decompressor-text-compressed-bytes,70",
        "x-envoy-decompressor-text-uncompressed-bytes,56",
      ],
      "gzip.request.decompressed: 1, gzip.request.total_uncompressed_bytes: 56",
    ],
    {},
    both,
  ),
  posts(
    "a request's own trailers come first",
    inTwo("x-a: 1\r\n"),
    [
      "accept-encoding: gzip; transfer-encoding: chunked; 56 bytes, 91f7117",
      [
        "x-a,1",
        "x-envoy-decompressor-text-compressed-bytes,70",
        "x-envoy-decompressor-text-uncompressed-bytes,56",
      ],
      "gzip.request.decompressed: 1, gzip.request.total_uncompressed_bytes: 56",
    ],
    {},
    both,
  ),
  posts("without trailers upstream none are said", inTwo(""), [
    "accept-encoding: gzip; transfer-encoding: chunked; 56 bytes, 91f7117",
    [],
    "gzip.request.decompressed: 1, gzip.request.total_uncompressed_bytes: 56",
  ]),
  posts(
    "a large request",
    post(latin1(encode("br", text.repeat(9000))), "content-encoding: br"),
    [
      "accept-encoding: gzip; content-encoding: br; content-length: 56; 504000 bytes, e864e965",
      [],
      "gzip.request.not_decompressed: 1",
    ],
    { decompressor_library: library("gzip", "decompressor") },
  ),
];

const saysTrailers = (name: string, more: object, sees: Seen): ParityCase =>
  scene({
    name,
    config: http2({}, { filters: [decompressor()], clusters: [http2Cluster()] }),
    upstream: answerFrames(
      [
        [":status", "200"],
        ["content-encoding", "gzip"],
      ],
      { body: encode("gzip", text), ...more },
    ),
    act: async (t) => [streamText(await askFrames(t, request("GET", "/")))],
    sees,
  });

/** More comes of the body than is allowed, or it is none. */
const broken = (name: string, encoding: Encoding, raw: string): ParityCase => {
  const config = http({ filters: [decompressor({}, encoding)] });
  return {
    name: `${name}: ${encoding}`,
    config,
    upstream: answer(raw),
    run: async (t) => {
      const answered = await t.get("/");
      assert.equal(answered.status, 200);
      assert.ok(answered.body.length < 400_000, String(answered.body.length));
      assert.match(await counted(t, "decompressor"), /decompressor_library\.\w+_error: [12]/);
    },
    heddle: {
      difference: "A body that cannot be decompressed is an error",
      run: async (t) => {
        const client = await t.connect();
        await client.write(lines("GET / HTTP/1.1", "host: a"));
        assert.equal(await client.ended(), "half-closed");
        assert.ok(!client.received.endsWith("0\r\n\r\n"), "the body must not look whole");
        assert.ok(client.received.length < 400_000, String(client.received.length));
        assert.match(await counted(t, "decompressor"), /decompressor_library\.\w+_error: 1/);
        assert.equal(await t.logLine(), "200 UPE response_cannot_be_decompressed");
      },
    },
  };
};

const refusedRequest = (name: string, sent: string, status: number): ParityCase => ({
  name,
  config: http({ filters: [decompressor()] }),
  upstream: answer(response(200, "ok")),
  run: async (t) => assert.equal((await t.send(post(sent, "content-encoding: gzip"))).status, 200),
  heddle: {
    difference: "A body that cannot be decompressed is an error",
    run: async (t) => {
      const { status: got } = await t.send(post(sent, "content-encoding: gzip"));
      assert.equal(got, status);
      assert.equal(await t.logLine(), `${status} - request_cannot_be_decompressed`);
    },
  },
});

const bombText = "a".repeat(3_000_000);
const failures: readonly ParityCase[] = [
  ...encodings.map((encoding) => broken("a bomb", encoding, zipped(encoding, bombText))),
  ...encodings.map((encoding) =>
    broken("no such coding", encoding, stored(encoding, "this is no such thing")),
  ),
  refusedRequest("a bomb as request", latin1(encode("gzip", bombText)), 413),
  refusedRequest("a request of no such coding", "this is no such thing", 400),
];
const onHttp2: readonly ParityCase[] = [
  saysTrailers("HTTP/2: trailers say what was done", {}, [
    [
      ":status: 200",
      "some text that is worth to be compressed, for it is text",
      "x-envoy-decompressor-text-compressed-bytes: 70; x-envoy-decompressor-text-uncompressed-bytes: 56",
      "end",
    ],
  ]),
  saysTrailers("HTTP/2: the upstream's own trailers too", { trailers: [["x-a", "1"]] }, [
    [
      ":status: 200",
      "some text that is worth to be compressed, for it is text",
      "x-a: 1; x-envoy-decompressor-text-compressed-bytes: 70; x-envoy-decompressor-text-uncompressed-bytes: 56",
      "end",
    ],
  ]),
];

parityArea("filter-decompressor", [
  ...responses,
  ...advertisements,
  ...requests,
  ...onHttp2,
  ...failures,
]);
