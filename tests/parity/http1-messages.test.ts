import assert from "node:assert/strict";
import { answer, answers, byHand, response } from "../../testkit/fake-upstream.ts";
import { normalise } from "../../testkit/http-text.ts";
import { parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { codec, lines, upstreamCodec } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
parityArea("http1-messages", [
  {
    name: "a GET goes out with exactly these bytes",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.send(
        lines("GET /path?query=1 HTTP/1.1", "Host: host.test", "Accept: */*", "X-Custom:  Value "),
      );
      assert.equal(
        normalise(t.upstream().received),
        lines(
          "GET /path?query=1 HTTP/1.1",
          "host: host.test",
          "accept: */*",
          "x-custom: Value",
          "x-forwarded-proto: http",
          "x-request-id: <uuid>",
          "x-envoy-expected-rq-timeout-ms: 15000",
        ),
      );
    },
  },
  {
    name: "a response comes back with exactly these bytes",
    config: http(),
    upstream: answer(
      lines(
        "HTTP/1.1 200 Fine",
        "X-One: 1",
        "Content-Length: 2",
        "Set-Cookie: a=1",
        "set-cookie: b=2",
      ).concat("ok"),
    ),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(
        normalise(got.raw),
        lines(
          "HTTP/1.1 200 OK",
          "x-one: 1",
          "content-length: 2",
          "set-cookie: a=1",
          "set-cookie: b=2",
          "x-envoy-upstream-service-time: <ms>",
          "date: <date>",
          "server: envoy",
        ).concat("ok"),
      );
    },
  },
  {
    name: "a POST with content-length keeps its length and bytes",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(
        lines("POST / HTTP/1.1", "host: host.test", "content-length: 5").concat("a\r\n\0b"),
      );
      assert.equal(got.status, 200);
      const [request] = t.upstream().requests;
      assert.equal(request?.framing, "length");
      assert.equal(request?.body, "a\r\n\0b");
      assert.ok(!request?.raw.includes("transfer-encoding"));
    },
  },
  {
    name: "a local reply comes with exactly these bytes",
    config: http({ routes: [] }),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(
        normalise(got.raw),
        lines("HTTP/1.1 404 Not Found", "date: <date>", "server: envoy", "content-length: 0"),
      );
      assert.equal(await t.logLine(), "404 NR route_not_found");
    },
  },
  {
    name: "two requests share the connections on both sides",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/1"))).status, 200);
      assert.equal((await client.exchange(get("/2"))).status, 200);
      assert.equal(t.upstream().connections.length, 1);
      await t.stats({
        "http.{case}.downstream_cx_total": 1,
        "cluster.{case}-main.upstream_cx_total": 1,
      });
    },
  },
  {
    name: "connection: close is answered with close, the upstream connection stays",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(get("/1", "connection: close"));
      assert.equal(got.header("connection"), "close");
      assert.notEqual(await client.ended(), "reset");
      assert.ok(!t.upstream().received.includes("connection:"));
      await t.get("/2");
      assert.equal(t.upstream().connections.length, 1);
    },
  },
  {
    name: "connection: close from the upstream is not passed on",
    config: http(),
    upstream: async (connection) => {
      await connection.request();
      await connection.write(response(200, "ok", "connection: close"));
      connection.end();
    },
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/1"))).header("connection"), undefined);
      assert.equal((await client.exchange(get("/2"))).status, 200);
      assert.equal(t.upstream().connections.length, 2);
    },
  },
  {
    name: "pipelined requests are answered in order, one at a time",
    config: http(),
    upstream: answers(response(200, "one"), response(200, "two"), response(200, "three")),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/1") + get("/2") + get("/3"));
      assert.equal((await client.response()).body, "one");
      assert.equal((await client.response()).body, "two");
      assert.equal((await client.response()).body, "three");
      const paths = t.upstream().requests.map(({ startLine }) => startLine.split(" ")[1]);
      assert.deepEqual(paths, ["/1", "/2", "/3"]);
    },
  },
  {
    name: "a request may arrive byte by byte",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.write(...lines("POST / HTTP/1.1", "Host: h", "content-length: 2").concat("ab"));
      assert.equal((await client.response()).status, 200);
      assert.equal(t.upstream().requests[0]?.body, "ab");
    },
  },
  {
    name: "a client that half-closes is taken as gone",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      client.end();
      await client.ended();
      await upstream.ended();
      assert.equal(client.unread, "");
      assert.match(await t.logLine(), /^0 DC downstream_remote_disconnect/);
    },
  },
  {
    name: "hop-by-hop fields and those that connection names are not passed on",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.get(
        "/",
        "connection: x-private, keep-alive",
        "x-private: 1",
        "x-public: 1",
        "keep-alive: timeout=5",
        "proxy-connection: keep-alive",
      );
      const fields = t.upstream().requests[0]?.fields.map(([name]) => name);
      assert.deepEqual(fields, [
        "host",
        "x-public",
        "x-forwarded-proto",
        "x-request-id",
        "x-envoy-expected-rq-timeout-ms",
      ]);
    },
  },
  {
    name: "hop-by-hop fields of a response are not passed on",
    config: http(),
    upstream: answer(
      response(
        200,
        "ok",
        "connection: keep-alive",
        "keep-alive: timeout=5",
        "proxy-connection: x",
        "x-a: b",
      ),
    ),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.header("connection"), undefined);
      assert.equal(got.header("keep-alive"), undefined);
      assert.equal(got.header("x-a"), "b");
    },
  },
  {
    name: "names go out in lower case, values untouched",
    config: http(),
    upstream: answer(response(200, "ok", "X-MiXed: VaLue")),
    run: async (t) => {
      const got = await t.get("/", "X-MiXed: VaLue");
      assert.match(t.upstream().received, /\r\nx-mixed: VaLue\r\n/);
      assert.match(got.raw, /\r\nx-mixed: VaLue\r\n/);
    },
  },
  {
    name: "proper_case_words spells names for both sides",
    config: {
      ...codec({ header_key_format: { proper_case_words: {} } }),
      clusters: [upstreamCodec({ header_key_format: { proper_case_words: {} } })],
    },
    upstream: answer(response(200, "ok", "x-mixed: 1")),
    run: async (t) => {
      const got = await t.get("/", "x-a_b-c: 1", "content-md5: x");
      assert.match(
        t.upstream().received,
        /\r\nX-A_B-C: 1\r\nContent-Md5: x\r\nX-Forwarded-Proto: http\r\n/,
      );
      assert.match(got.raw, /\r\nX-Mixed: 1\r\n/);
      assert.match(got.raw, /\r\nX-Envoy-Upstream-Service-Time: /);
    },
  },
  {
    name: "several fields of one name stay several and in order",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-a: 1", "x-b: 2", "X-A: 3", "cookie: a=1", "cookie: b=2");
      assert.match(
        t.upstream().received,
        /\r\nx-a: 1\r\nx-b: 2\r\nx-a: 3\r\ncookie: a=1\r\ncookie: b=2\r\n/,
      );
    },
  },
]);
