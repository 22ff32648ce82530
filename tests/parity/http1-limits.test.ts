import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { normalise } from "../../testkit/http-text.ts";
import { parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { closesSoon, codec, lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));

parityArea("http1-limits", [
  {
    name: "absolute-form goes out in origin-form with its own authority",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.send(lines("GET http://other.test:81/path?q=1 HTTP/1.1", "host: host.test"));
      assert.match(t.upstream().received, /^GET \/path\?q=1 HTTP\/1.1\r\nhost: other.test:81\r\n/);
    },
  },
  {
    name: "absolute-form without a path means the root",
    config: http(),
    upstream: ok,
    run: async (t) => {
      await t.send(lines("GET http://other.test HTTP/1.1", "host: host.test"));
      assert.match(t.upstream().received, /^GET \/ HTTP\/1.1\r\nhost: other.test\r\n/);
    },
  },
  {
    name: "absolute-form is refused with allow_absolute_url false",
    config: codec({ allow_absolute_url: false }),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(lines("GET http://other.test/ HTTP/1.1", "host: host.test"));
      assert.equal(got.status, 404);
    },
  },
  {
    name: "a method that is not known is refused",
    config: codec({}),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(lines("BREW / HTTP/1.1", "host: h"));
      assert.equal(got.status, 400);
      assert.equal(
        normalise(got.raw),
        lines(
          "HTTP/1.1 400 Bad Request",
          "content-length: 11",
          "content-type: text/plain",
          "date: <date>",
          "server: envoy",
          "connection: close",
        ).concat("Bad Request"),
      );
      await client.ended();
      assert.equal(await t.logLine(), "400 DPE http1.codec_error");
      await t.stats({
        "http.{case}.downstream_cx_protocol_error": 1,
        "http.{case}.downstream_rq_4xx": 1,
      });
    },
  },
  {
    name: "WebDAV and other registered methods pass",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      for (const method of ["PROPFIND", "PATCH", "REPORT", "MKCOL", "SEARCH"]) {
        assert.equal(
          (await client.exchange(lines(`${method} / HTTP/1.1`, "host: h"))).status,
          200,
          method,
        );
      }
    },
  },
  {
    name: "HTTP/1.0 is answered with 426 by default",
    config: codec({}),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(lines("GET / HTTP/1.0", "host: h"));
      assert.equal(got.status, 426);
      assert.equal(got.header("connection"), "close");
      await client.ended();
      assert.equal(await t.logLine(), "426 DPE low_version");
    },
  },
  {
    name: "HTTP/1.0 is taken with accept_http_10 and closed behind the response",
    config: codec({ accept_http_10: true, default_host_for_http_10: "default.test" }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange("GET / HTTP/1.0\r\n\r\n");
      assert.equal(got.status, 200);
      assert.equal(got.startLine, "HTTP/1.0 200 OK");
      assert.match(t.upstream().received, /^GET \/ HTTP\/1.1\r\n[\s\S]*host: default.test\r\n/);
      await client.ended();
    },
  },
  {
    name: "HTTP/1.0 without Host or a default one is refused",
    config: codec({ accept_http_10: true }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.send("GET / HTTP/1.0\r\n\r\n")).status, 400);
      assert.match(await t.logLine(), /^400 - missing_host_header/);
    },
  },
  {
    name: "HTTP/1.0 with keep-alive keeps the connection",
    config: codec({ accept_http_10: true }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const request = lines("GET / HTTP/1.0", "host: h", "connection: keep-alive");
      assert.equal((await client.exchange(request)).header("connection"), "keep-alive");
      assert.equal((await client.exchange(request)).status, 200);
    },
  },
  {
    name: "an HTTP/1.0 client gets a chunked response framed by the close",
    config: codec({ accept_http_10: true }),
    upstream: answer(
      lines("HTTP/1.1 200 OK", "transfer-encoding: chunked").concat("3\r\nabc\r\n0\r\n\r\n"),
    ),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(lines("GET / HTTP/1.0", "host: h"));
      assert.equal(got.framing, "close");
      assert.equal(got.body, "abc");
    },
  },
  {
    name: "an HTTP/1.0 upstream is served and its connection not used again",
    config: http(),
    upstream: answer("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/1"))).startLine, "HTTP/1.1 200 OK");
      assert.equal((await client.exchange(get("/2"))).status, 200);
      assert.equal(t.upstream().connections.length, 2);
    },
  },
  {
    name: "a head over max_request_headers_kb is answered with 431",
    config: http({ manager: { ...closesSoon, max_request_headers_kb: 8 } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(get("/", `x-a: ${"a".repeat(8200)}`));
      assert.equal(got.status, 431);
      await client.ended();
      assert.equal(await t.logLine(), "431 DPE http1.headers_too_large");
    },
  },
  {
    name: "a head under the default limit of 60 KiB passes",
    config: http(),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/", `x-a: ${"a".repeat(60_000)}`)).status, 200),
  },
  {
    name: "a target over the limit is answered with 431",
    config: http({ manager: { ...closesSoon, max_request_headers_kb: 8 } }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get(`/${"a".repeat(9000)}`)).status, 431),
  },
  {
    name: "the hundredth field passes, the next is answered with 431",
    config: codec({}),
    upstream: ok,
    run: async (t) => {
      const fields = Array.from({ length: 99 }, (_, index) => `x-${index}: a`);
      assert.equal((await t.get("/", ...fields)).status, 200);
      const client = await t.connect();
      assert.equal((await client.exchange(get("/", ...fields, "x-99: a"))).status, 431);
      await client.ended();
      assert.equal((await t.log(2))[1], "431 DPE http1.too_many_headers");
    },
  },
  {
    name: "max_headers_count moves the limit",
    config: http({
      manager: { ...closesSoon, common_http_protocol_options: { max_headers_count: 3 } },
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-a: 1", "x-b: 1")).status, 200);
      assert.equal((await t.get("/", "x-a: 1", "x-b: 1", "x-c: 1")).status, 431);
    },
  },
  {
    name: "a response head over the limit is 502",
    config: http(),
    upstream: answer(response(200, "ok", `x-a: ${"a".repeat(90_000)}`)),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 502);
      assert.match(await t.logLine(), /^502 UPE /);
    },
  },
  {
    name: "a response with 101 fields is 502",
    config: http(),
    upstream: answer(
      response(200, "ok", ...Array.from({ length: 101 }, (_, index) => `x-${index}: a`)),
    ),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 502);
      assert.match(await t.logLine(), /^502 UPE /);
    },
  },
  {
    name: "stream_error_on_invalid_http_message keeps the connection of a bad request with a known end",
    config: http({ manager: { ...closesSoon, stream_error_on_invalid_http_message: true } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const bad = await client.exchange(lines("GET / HTTP/1.1"));
      assert.equal(bad.status, 400);
      assert.equal((await client.exchange(get("/"))).status, 200);
    },
  },
  {
    name: "override_stream_error_on_invalid_http_message does the same for HTTP/1",
    config: codec({ override_stream_error_on_invalid_http_message: true }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(lines("GET / HTTP/1.1"))).status, 400);
      assert.equal((await client.exchange(get("/"))).status, 200);
    },
  },
  {
    name: "a request without Host is refused and logged",
    config: codec({}),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(lines("GET / HTTP/1.1"));
      assert.equal(got.status, 400);
      assert.equal(got.body, "");
      await client.ended();
      assert.equal(await t.logLine(), "400 - missing_host_header");
    },
  },
  {
    name: "headers_with_underscores_action REJECT_REQUEST refuses such names",
    config: http({
      manager: {
        ...closesSoon,
        common_http_protocol_options: { headers_with_underscores_action: "REJECT_REQUEST" },
      },
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-a: 1")).status, 200);
      assert.equal((await t.get("/", "x_a: 1")).status, 400);
      assert.equal((await t.log(2))[1], "400 DPE http1.unexpected_underscore");
      await t.stats({ "http1.requests_rejected_with_underscores_in_headers": 1 });
    },
  },
  {
    name: "headers_with_underscores_action DROP_HEADER drops them",
    config: http({
      manager: { common_http_protocol_options: { headers_with_underscores_action: "DROP_HEADER" } },
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x_a: 1", "x-b: 2");
      assert.ok(!t.upstream().received.includes("x_a"));
      assert.match(t.upstream().received, /\r\nx-b: 2\r\n/);
    },
  },
  {
    name: "max_requests_per_connection closes behind the last one",
    config: http({
      manager: { common_http_protocol_options: { max_requests_per_connection: 2 } },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      assert.equal((await client.exchange(get("/"))).header("connection"), "close");
      await client.ended();
      await t.stats({ "http.{case}.downstream_cx_max_requests_reached": 1 });
    },
  },
]);
