import assert from "node:assert/strict";
import { answer, answers, byHand, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { codec, lines, upstreamCodec } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
const trailing = "3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-two: 2\r\n\r\n";
const expectation = lines(
  "POST / HTTP/1.1",
  "host: h",
  "expect: 100-continue",
  "content-length: 5",
);

parityArea("http1-bodies", [
  {
    name: "a chunked request is passed on as it comes",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(
        lines("POST / HTTP/1.1", "host: h", "transfer-encoding: chunked"),
        "5\r\nhello\r\n",
      );
      const upstream = await t.upstream().connection();
      await upstream.readThrough("\r\ntransfer-encoding: chunked\r\n");
      await upstream.readThrough("\r\n5\r\nhello\r\n");
      await client.write("6;x=y\r\n world\r\n0\r\n\r\n");
      await upstream.readThrough("6\r\n world\r\n0\r\n\r\n");
      await upstream.write(response(200));
      assert.equal((await client.response()).status, 200);
    },
  },
  {
    name: "a chunked response is passed on as it comes",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await upstream.write(
        lines("HTTP/1.1 200 OK", "transfer-encoding: chunked"),
        "5;x=y\r\nhello\r\n",
      );
      await client.readThrough("\r\ntransfer-encoding: chunked\r\n");
      await client.readThrough("\r\n5\r\nhello\r\n");
      await upstream.write("6\r\n world\r\n0\r\n\r\n");
      await client.readThrough("6\r\n world\r\n0\r\n\r\n");
      assert.equal(client.unread, "");
    },
  },
  {
    name: "a response framed by the close is passed on chunked",
    config: http(),
    upstream: async (connection) => {
      await connection.request();
      await connection.write(lines("HTTP/1.1 200 OK", "x-a: b"), "until ", "the end");
      connection.end();
    },
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(get("/"));
      assert.equal(got.framing, "chunked");
      assert.equal(got.body, "until the end");
      assert.equal(client.state, "open");
    },
  },
  {
    name: "a large body passes in both directions",
    config: http(),
    upstream: async (connection) => {
      const request = await connection.request();
      await connection.write(response(200, request?.body));
    },
    run: async (t) => {
      const body = "0123456789abcdef".repeat(200_000);
      const got = await t.send(
        lines("POST / HTTP/1.1", "host: h", `content-length: ${body.length}`).concat(body),
      );
      assert.ok(got.body === body);
    },
  },
  {
    name: "HEAD keeps content-length and has no body",
    config: http(),
    upstream: answer(lines("HTTP/1.1 200 OK", "content-length: 1234")),
    run: async (t) => {
      const client = await t.connect();
      const head = lines("HEAD / HTTP/1.1", "host: h");
      assert.equal(
        (await client.exchange(head, { method: "HEAD" })).header("content-length"),
        "1234",
      );
      assert.equal((await client.exchange(head, { method: "HEAD" })).status, 200);
      assert.equal(t.upstream().connections.length, 1);
    },
  },
  {
    name: "HEAD without a length is answered with chunked and no body",
    config: http(),
    upstream: answer(lines("HTTP/1.1 200 OK")),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(lines("HEAD / HTTP/1.1", "host: h"), { method: "HEAD" });
      assert.equal(got.header("transfer-encoding"), "chunked");
      assert.equal(got.header("content-length"), undefined);
      assert.equal(client.unread, "");
    },
  },
  {
    name: "204 and 304 have no body and no framing",
    config: http(),
    upstream: answers(
      lines("HTTP/1.1 204 No Content"),
      lines("HTTP/1.1 304 Not Modified", "etag: x"),
    ),
    run: async (t) => {
      const client = await t.connect();
      for (const status of [204, 304]) {
        const got = await client.exchange(get("/"));
        assert.equal(got.status, status);
        assert.equal(got.header("content-length"), undefined);
        assert.equal(got.header("transfer-encoding"), undefined);
      }
    },
  },
  {
    name: "304 may carry a content-length",
    config: http(),
    upstream: answer(lines("HTTP/1.1 304 Not Modified", "content-length: 5")),
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("content-length"), "5");
      assert.equal((await client.exchange(get("/"))).status, 304);
    },
  },
  {
    name: "204 with a content-length from the upstream is a protocol error",
    config: http(),
    upstream: answer(lines("HTTP/1.1 204 No Content", "content-length: 5").concat("hello")),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 502);
      assert.match(await t.logLine(), /^502 UPE /);
    },
  },
  {
    name: "a response to GET with content-length 0 keeps it",
    config: http(),
    upstream: answer(response(200)),
    run: async (t) => assert.equal((await t.get("/")).header("content-length"), "0"),
  },
  {
    name: "a POST without any length has no body",
    config: http(),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.send(lines("POST / HTTP/1.1", "host: h"))).status, 200);
      const [request] = t.upstream().requests;
      assert.ok(!request?.raw.includes("transfer-encoding"));
      assert.match(request?.raw ?? "", /content-length: 0\r\n/);
    },
  },
  {
    name: "trailers are dropped in both directions unless enabled",
    config: http(),
    upstream: answer(lines("HTTP/1.1 200 OK", "transfer-encoding: chunked").concat(trailing)),
    run: async (t) => {
      const got = await t.send(
        lines("POST / HTTP/1.1", "host: h", "transfer-encoding: chunked").concat(trailing),
      );
      assert.deepEqual(got.trailers, []);
      assert.deepEqual(t.upstream().requests[0]?.trailers, []);
    },
  },
  {
    name: "trailers pass in both directions when both sides enable them",
    config: {
      ...codec({ enable_trailers: true }),
      clusters: [upstreamCodec({ enable_trailers: true })],
    },
    upstream: answer(lines("HTTP/1.1 200 OK", "transfer-encoding: chunked").concat(trailing)),
    run: async (t) => {
      const got = await t.send(
        lines("POST / HTTP/1.1", "host: h", "transfer-encoding: chunked").concat(trailing),
      );
      const sent = [
        ["x-sum", "1"],
        ["x-two", "2"],
      ];
      assert.deepEqual(got.trailers, sent);
      assert.deepEqual(t.upstream().requests[0]?.trailers, sent);
    },
  },
  {
    name: "the trailer and te fields of a request",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "te: trailers, deflate", "trailer: x-sum");
      assert.match(t.upstream().received, /\r\ntrailer: x-sum\r\n/);
      assert.match(t.upstream().received, /\r\nte: trailers\r\n/);
    },
  },
  {
    name: "expect: 100-continue is answered by the proxy and not passed on",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.write(expectation);
      assert.equal(await client.readThrough("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
      assert.equal((await client.exchange("hello")).status, 200);
      assert.doesNotMatch(t.upstream().received, /^expect:/m);
    },
  },
  {
    name: "expect: 100-continue is left to the upstream with proxy_100_continue",
    config: http({ manager: { proxy_100_continue: true } }),
    upstream: async (connection) => {
      assert.match(await connection.requestHead(), /\r\nexpect: 100-continue\r\n/);
      await connection.write("HTTP/1.1 100 Continue\r\n\r\n");
      await connection.request();
      await connection.write(response(200, "ok"));
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write(expectation);
      await client.readThrough("HTTP/1.1 100 Continue\r\n\r\n");
      assert.equal((await client.exchange("hello")).status, 200);
    },
  },
  {
    name: "interim responses of the upstream are dropped",
    config: http(),
    upstream: answer(
      lines("HTTP/1.1 103 Early Hints", "link: </a>").concat(
        "HTTP/1.1 100 Continue\r\n\r\n",
        response(200, "ok"),
      ),
    ),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 200);
      assert.deepEqual(got.interim, []);
    },
  },
]);
