import assert from "node:assert/strict";
import { answer, response, type Script } from "../../testkit/fake-upstream.ts";
import { answerFrames } from "../../testkit/http2/frame-peer.ts";
import type { RawClient } from "../../testkit/raw-client.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import {
  compressor,
  counted,
  decode,
  decoded,
  type Encoding,
  library,
} from "./harness/compression.ts";
import { both, chunks, ofResponse, perRoute, plain, text } from "./harness/compressor.ts";
import { direct, http, type JsonObject, route } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { lines } from "./harness/http1.ts";
import { askFrames, http2, http2Cluster, request } from "./harness/http2.ts";
import { scene } from "./harness/scene.ts";

/** An upstream that sends its second piece when the client has read its first. */
const inPieces: Script = async (connection) => {
  await connection.request();
  await connection.write(chunks("9\r\ndata: 1\n\n\r\n"));
  await connection.until("go", (wire) => (wire.unread.includes("go") ? true : undefined));
  await connection.write("9\r\ndata: 2\n\n\r\n0\r\n\r\n");
};

/** Waits until what has come of a chunked body says `wanted`, and returns it. */
const heard = (client: RawClient, encoding: Encoding, wanted: string): Promise<string> =>
  client.until(wanted, ({ received }) => {
    const bytes = chunkData(received.slice(received.indexOf("\r\n\r\n") + 4));
    const said = decode(encoding, Buffer.from(bytes, "latin1"));
    return said.includes(wanted) ? said : undefined;
  });

function chunkData(body: string): string {
  let data = "";
  for (let at = 0; at < body.length; ) {
    const line = body.indexOf("\r\n", at);
    if (line < 0) return data;
    const size = Number.parseInt(body.slice(at, line), 16);
    data += body.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
  return data;
}

const listens = async (t: CaseContext, encoding: Encoding): Promise<void> => {
  const client = await t.connect();
  await client.write(`GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: ${encoding}\r\n\r\n`);
  assert.equal(await heard(client, encoding, "data: 1"), "data: 1\n\n");
  (await t.upstream().connection()).socket.emit("data", "go");
  assert.equal(await heard(client, encoding, "data: 2"), "data: 1\n\ndata: 2\n\n");
  await client.until("end", ({ received }) => received.endsWith("0\r\n\r\n") || undefined);
};

const streams: readonly ParityCase[] = [
  ...(["gzip", "br"] as const).map(
    (encoding): ParityCase => ({
      name: `each piece of a stream reaches the client: ${encoding}`,
      config: http({ filters: [compressor({}, encoding)] }),
      upstream: inPieces,
      run: (t) => listens(t, encoding),
    }),
  ),
  {
    name: "each piece of a stream reaches the client: zstd",
    config: http({ filters: [compressor({}, "zstd")] }),
    upstream: async (connection) => {
      await connection.request();
      await connection.write(chunks("9\r\ndata: 1\n\n\r\n0\r\n\r\n"));
    },
    // Envoy's says nothing before the end.
    run: async (t) =>
      assert.equal((await t.get("/", "accept-encoding: zstd")).header("content-encoding"), "zstd"),
    heddle: {
      difference: "zstd is flushed with each piece",
      run: async (t) => {
        const client = await t.connect();
        await client.write("GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: zstd\r\n\r\n");
        assert.equal(await heard(client, "zstd", "data: 1"), "data: 1\n\n");
      },
    },
  },
  scene({
    name: "a response's trailers follow",
    config: http({ filters: [compressor()], ...both }),
    upstream: answer(chunks("3\r\nabc\r\n0\r\nx-a: 1\r\n\r\n")),
    act: async (t) => {
      const answered = await t.get("/", "accept-encoding: gzip");
      return [decoded(answered), answered.trailers.join()];
    },
    sees: [
      "content-encoding: gzip; transfer-encoding: chunked; vary: Accept-Encoding; abc",
      "x-a,1",
    ],
  }),
  ...(["gzip", "br", "zstd"] as const).map((encoding) =>
    scene({
      name: `a large response: ${encoding}`,
      config: http({ filters: [compressor({}, encoding)] }),
      upstream: answer(response(200, text.repeat(20_000), "content-type: text/plain")),
      act: async (t) => [
        decoded(await t.get("/", `accept-encoding: ${encoding}`)),
        await counted(t, "compressor.*total"),
      ],
      sees: [
        `content-encoding: ${encoding}; transfer-encoding: chunked; vary: Accept-Encoding; 1120000 bytes, 61a59a02`,
        `${encoding === "br" ? "brotli" : encoding}.total_uncompressed_bytes: 1120000`,
      ],
    }),
  ),
  scene({
    name: "an answer to HEAD keeps its length",
    config: http({ filters: [compressor()] }),
    upstream: answer(lines("HTTP/1.1 200 OK", "content-type: text/plain", "content-length: 100")),
    act: async (t) => [
      decoded(
        await t.send(lines("HEAD / HTTP/1.1", "host: a", "accept-encoding: gzip"), {
          method: "HEAD",
        }),
      ),
    ],
    sees: ["content-length: 100; vary: Accept-Encoding; "],
  }),
  scene({
    name: "HTTP/1.0",
    config: http({
      filters: [compressor()],
      manager: { http_protocol_options: { accept_http_10: true } },
    }),
    upstream: answer(plain()),
    act: async (t) => [
      decoded(await t.send(lines("GET / HTTP/1.0", "host: a", "accept-encoding: gzip"))),
    ],
    sees: ["content-encoding: gzip; vary: Accept-Encoding; 56 bytes, 91f7117"],
  }),
  scene({
    name: "an upgrade is not compressed",
    config: http({
      filters: [compressor({ request_direction_config: {} })],
      manager: { upgrade_configs: [{ upgrade_type: "websocket" }] },
    }),
    upstream: async (connection) => {
      await connection.requestHead();
      await connection.write(
        `${lines("HTTP/1.1 101 Switching Protocols", "connection: upgrade", "upgrade: websocket", "content-type: text/plain")}hello`,
      );
    },
    act: async (t) => {
      const client = await t.connect();
      await client.write(
        lines(
          "GET / HTTP/1.1",
          "host: a",
          "connection: upgrade",
          "upgrade: websocket",
          "accept-encoding: gzip",
        ),
      );
      const said = await client.readThrough("hello");
      return [String(said.includes("content-encoding"))];
    },
    sees: ["false"],
  }),
  ...(["application/grpc", "text/plain"] as const).map((type) =>
    scene({
      name: `HTTP/2 and trailers: ${type}`,
      config: http2({}, { filters: [compressor()], clusters: [http2Cluster()] }),
      upstream: answerFrames(
        [
          [":status", "200"],
          ["content-type", type],
        ],
        {
          body: "abcdef",
          trailers: [["grpc-status", "0"]],
        },
      ),
      act: async (t) => {
        const asked = request(
          "POST",
          "/a/b",
          ["content-type", type],
          ["te", "trailers"],
          ["accept-encoding", "gzip"],
        );
        const { sections, body, end } = await askFrames(t, asked, { body: "x" });
        const isCoded = sections[0]?.includes("content-encoding: gzip") === true;
        const said = decode(isCoded ? "gzip" : undefined, Buffer.from(body, "latin1"));
        return [...sections.map((fields) => [...fields].sort()), said, end ?? ""];
      },
      sees: [
        type === "text/plain"
          ? [
              ":status: 200",
              "content-encoding: gzip",
              "content-type: text/plain",
              "vary: Accept-Encoding",
            ]
          : [":status: 200", "content-type: application/grpc"],
        ["grpc-status: 0"],
        "abcdef",
        "end",
      ],
    }),
  ),
];

const refused = (
  name: string,
  filter: JsonObject,
  reason: RegExp,
  more: JsonObject = {},
): ParityCase => ({
  name,
  config: http({
    filters: [filter],
    routes: [route({ prefix: "/" }, { ...direct("ok"), ...more })],
  }),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refused(
    "refuses a decompressor as library",
    compressor({ compressor_library: library("gzip", "decompressor") }),
    /type/,
  ),
  refused(
    "refuses a response code of 600",
    compressor(ofResponse({ uncompressible_response_codes: [600] })),
    /uncompressible_?response_?codes/i,
  ),
  refused("refuses a route that says nothing", compressor(), /override/, perRoute({})),
];

parityArea("filter-compressor-streams", [...streams, ...refusals]);
