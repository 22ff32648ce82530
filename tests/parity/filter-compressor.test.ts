import { response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { compressor } from "./harness/compression.ts";
import {
  chunks,
  common,
  gets,
  off,
  ofResponse,
  plain,
  telling,
  text,
} from "./harness/compressor.ts";
import { direct, route } from "./harness/config.ts";

const gzipOnly: readonly ParityCase[] = [
  gets({
    name: "a response is compressed, and counted in the old tree",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "response_direction_config has stats of its own",
    filters: [compressor(ofResponse({}))],
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "brotli",
    filters: [compressor({}, "br")],
    ask: "br",
    sees: [
      "content-encoding: br; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.compressed: 1, brotli.header_compressor_used: 1, brotli.request.not_compressed: 1, brotli.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "zstd",
    filters: [compressor({}, "zstd")],
    ask: "zstd",
    sees: [
      "content-encoding: zstd; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "zstd.compressed: 1, zstd.header_compressor_used: 1, zstd.request.not_compressed: 1, zstd.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "every setting of gzip",
    filters: [
      compressor({}, "gzip", {
        memory_level: 9,
        compression_level: "COMPRESSION_LEVEL_4",
        compression_strategy: "HUFFMAN_ONLY",
        window_bits: 15,
        chunk_size: 65536,
      }),
    ],
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "every setting of brotli",
    filters: [
      compressor({}, "br", {
        quality: 11,
        encoder_mode: "TEXT",
        window_bits: 10,
        input_block_bits: 16,
        chunk_size: 8192,
        disable_literal_context_modeling: true,
      }),
    ],
    ask: "br",
    sees: [
      "content-encoding: br; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "brotli.compressed: 1, brotli.header_compressor_used: 1, brotli.request.not_compressed: 1, brotli.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "every setting of zstd",
    filters: [
      compressor({}, "zstd", {
        compression_level: 19,
        enable_checksum: true,
        strategy: "BTOPT",
        chunk_size: 8192,
      }),
    ],
    ask: "zstd",
    sees: [
      "content-encoding: zstd; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "zstd.compressed: 1, zstd.header_compressor_used: 1, zstd.request.not_compressed: 1, zstd.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a request without accept-encoding",
    ask: "",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.no_accept_header: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "accept-encoding identity",
    ask: "identity",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_identity: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "weight 0",
    ask: "gzip;q=0",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_not_valid: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "any coding",
    ask: "*",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_wildcard: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "any but gzip",
    ask: "gzip;q=0, *",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_not_valid: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "gzip but no other",
    ask: "*;q=0, gzip;q=0.1",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "codings have their case",
    ask: "GZIP",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_not_valid: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "a weight that is no number",
    ask: "gzip;q=x, deflate",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_not_valid: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "spaces around a weight",
    ask: "deflate , gzip ; q = 0.5",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "shorter than 30 bytes",
    answer: response(200, "small", "content-type: text/plain"),
    sees: [
      "content-length: 5; small",
      "gzip.content_length_too_small: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "min_content_length",
    filters: [compressor(common({ min_content_length: 57 }))],
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.content_length_too_small: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "min_content_length 0 is the default",
    filters: [compressor(common({ min_content_length: 0 }))],
    answer: response(200, "small", "content-type: text/plain"),
    sees: [
      "content-length: 5; small",
      "gzip.request.not_compressed: 1, gzip.response.content_length_too_small: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "a chunked response has no length to be too short",
    answer: chunks("3\r\nabc\r\n0\r\n\r\n"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; abc",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 3",
    ],
  }),
  gets({
    name: "an empty chunked response",
    answer: chunks("0\r\n\r\n"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; ",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "a type that does not shrink",
    answer: response(200, text, "content-type: image/png"),
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.header_not_valid: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "no type",
    answer: response(200, text),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a type in capitals with parameters",
    answer: response(200, text, "content-type: TEXT/HTML; charset=utf-8"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "content_type",
    filters: [compressor(common({ content_type: ["x/Y"] }))],
    answer: response(200, text, "content-type: X/y ;a"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a strong etag goes",
    answer: plain('etag: "abc"'),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a weak etag stays",
    answer: plain('etag: w/"abc"'),
    sees: [
      'content-encoding: gzip; etag: w/"abc"; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117',
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "disable_on_etag_header",
    filters: [compressor(ofResponse({ disable_on_etag_header: true }))],
    answer: plain('etag: W/"abc"'),
    sees: [
      'content-length: 56; etag: W/"abc"; 56 bytes, 91f7117',
      "gzip.header_compressor_used: 1, gzip.not_compressed_etag: 1, gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "vary has the field already",
    answer: plain("vary: a,Accept-Encoding"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: a,Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "vary has something else",
    answer: plain("vary: origin, accept-encoding"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: origin, accept-encoding, Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "a response that is compressed already",
    answer: plain("content-encoding: identity"),
    sees: [
      "content-encoding: identity; content-length: 56; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "cache-control no-transform",
    answer: plain("cache-control: max-age=1, No-Transform"),
    sees: [
      "cache-control: max-age=1, No-Transform; content-length: 56; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "204",
    answer: "HTTP/1.1 204 No Content\r\ncontent-type: text/plain\r\n\r\n",
    sees: ["vary: Accept-Encoding; ", "gzip.not_compressed: 1, gzip.request.not_compressed: 1"],
  }),
  gets({
    name: "304",
    answer:
      'HTTP/1.1 304 Not Modified\r\ncontent-type: text/plain\r\netag: "x"\r\ncontent-length: 100\r\n\r\n',
    sees: [
      'content-length: 100; etag: "x"; vary: Accept-Encoding; ',
      "gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "uncompressible_response_codes",
    filters: [compressor(ofResponse({ uncompressible_response_codes: [206] }))],
    answer: response(206, text),
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "another code than those",
    filters: [compressor(ofResponse({ uncompressible_response_codes: [206] }))],
    answer: response(404, text),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "enabled: false",
    filters: [compressor(common(off))],
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "runtime_enabled: false",
    filters: [compressor({ runtime_enabled: { default_value: false, runtime_key: "none" } })],
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.not_compressed: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "the old fields",
    filters: [
      compressor({ content_length: 20, content_type: ["a/b"], disable_on_etag_header: true }),
    ],
    answer: response(200, text, "content-type: a/b", "etag: x"),
    sees: [
      "content-length: 56; etag: x; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.not_compressed: 1, gzip.not_compressed_etag: 1, gzip.request.not_compressed: 1",
    ],
  }),
  gets({
    name: "a direct response",
    more: { routes: [route({ prefix: "/" }, direct(text))] },
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.total_uncompressed_bytes: 56",
    ],
  }),
];

const statuses: readonly ParityCase[] = [
  gets({
    name: "status of a compressed response",
    filters: [compressor(telling())],
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; x-envoy-compression-status: gzip;Compressed;OriginalLength=56; 56 bytes, 91f7117",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
  gets({
    name: "status without a length",
    filters: [compressor(telling())],
    answer: chunks("3\r\nabc\r\n0\r\n\r\n"),
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; x-envoy-compression-status: gzip;Compressed;OriginalLength=; abc",
      "gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 3",
    ],
  }),
  gets({
    name: "status: too short",
    filters: [compressor(telling())],
    answer: response(200, "small", "content-type: image/png"),
    sees: [
      "content-length: 5; x-envoy-compression-status: gzip;ContentLengthTooSmall; small",
      "gzip.request.not_compressed: 1, gzip.response.content_length_too_small: 2, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "status: type",
    filters: [compressor(telling({ disable_on_etag_header: true }))],
    answer: response(200, text, "etag: a", "content-type: image/png"),
    sees: [
      "content-length: 56; etag: a; x-envoy-compression-status: gzip;ContentTypeNotAllowed; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "status: etag",
    filters: [
      compressor(telling({ disable_on_etag_header: true, uncompressible_response_codes: [200] })),
    ],
    answer: plain("etag: a"),
    sees: [
      "content-length: 56; etag: a; x-envoy-compression-status: gzip;EtagNotAllowed; 56 bytes, 91f7117",
      "gzip.not_compressed_etag: 1, gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "status: code",
    filters: [compressor(telling({ uncompressible_response_codes: [200] }))],
    sees: [
      "content-length: 56; x-envoy-compression-status: gzip;StatusCodeNotAllowed; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "no status when the client does not want it",
    filters: [compressor(telling())],
    ask: "identity",
    sees: [
      "content-length: 56; vary: Accept-Encoding; 56 bytes, 91f7117",
      "gzip.header_identity: 1, gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "no status when it is disabled",
    filters: [compressor(telling({ common_config: off }))],
    sees: [
      "content-length: 56; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "no status of a response that is not to be changed",
    filters: [compressor(telling())],
    answer: plain("cache-control: no-transform"),
    sees: [
      "cache-control: no-transform; content-length: 56; 56 bytes, 91f7117",
      "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1",
    ],
  }),
  gets({
    name: "status of a response without body",
    filters: [compressor(telling())],
    answer: "HTTP/1.1 204 No Content\r\ncontent-type: image/png\r\n\r\n",
    sees: ["", "gzip.request.not_compressed: 1, gzip.response.not_compressed: 1"],
  }),
  gets({
    name: "a status of each compressor",
    filters: [
      compressor(telling()),
      compressor(telling({ common_config: { content_type: ["a/b"] } }), "br"),
    ],
    ask: "br, gzip",
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; x-envoy-compression-status: br;ContentTypeNotAllowed; x-envoy-compression-status: gzip;Compressed;OriginalLength=56; 56 bytes, 91f7117",
      "brotli.request.not_compressed: 1, brotli.response.not_compressed: 1, gzip.header_compressor_used: 1, gzip.request.not_compressed: 1, gzip.response.compressed: 1, gzip.response.total_uncompressed_bytes: 56",
    ],
  }),
];

parityArea("filter-compressor", [...gzipOnly, ...statuses]);
