import assert from "node:assert/strict";
import { answer, byHand, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { http, type JsonObject } from "./harness/config.ts";
import { type CaseContext, get } from "./harness/context.ts";
import { closesSoon, lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
const common = (options: JsonObject): JsonObject => ({ common_http_protocol_options: options });
const post = lines("POST / HTTP/1.1", "host: h", "content-length: 5");

/** The upstream's answer to a request that it has read: only the begin of a body. */
async function beginAnswer(t: CaseContext): Promise<void> {
  const connection = await t.upstream().connection();
  await connection.request();
  await connection.write(lines("HTTP/1.1 200 OK", "content-length: 5"), "ab");
}

parityArea("connection-manager-timeouts", [
  {
    name: "idle_timeout closes a connection without a request",
    config: http({ manager: { ...closesSoon, ...common({ idle_timeout: "0.1s" }) } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      assert.equal(client.received, "");
      await t.stats({
        "http.{case}.downstream_cx_idle_timeout": 1,
        "http.{case}.downstream_cx_destroy": 1,
        "http.{case}.downstream_cx_destroy_local": 1,
        "http.{case}.downstream_cx_destroy_remote": 0,
        "http.{case}.downstream_cx_active": 0,
        "http.{case}.downstream_rq_total": 0,
      });
    },
  },
  {
    name: "idle_timeout begins anew behind each response, and the drain timeout behind it",
    config: http({ manager: { drain_timeout: "0.1s", ...common({ idle_timeout: "0.1s" }) } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      for (let i = 0; i < 2; i++) {
        const got = await client.exchange(get("/"));
        assert.equal(got.header("connection"), undefined);
      }
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_idle_timeout": 1,
        "http.{case}.downstream_rq_2xx": 2,
        "http.{case}.downstream_cx_drain_close": 0,
      });
    },
  },
  {
    name: "a request behind the idle timeout is served and told",
    config: http({
      manager: { ...closesSoon, drain_timeout: "4s", ...common({ idle_timeout: "0.05s" }) },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      await t.stats({ "http.{case}.downstream_cx_idle_timeout": 1 });
      assert.equal((await client.exchange(get("/"))).header("connection"), "close");
      await client.ended();
    },
  },
  {
    name: "idle_timeout does not end a request that runs",
    config: http({ manager: { drain_timeout: "0.05s", ...common({ idle_timeout: "0.5s" }) } }),
    upstream: byHand(),
    run: async (t) => {
      // On a busy machine the request comes late: the connection must not be idle for too long before it.
      const client = await t.connect();
      await client.write(get("/"));
      const connection = await t.upstream().connection();
      await connection.request();
      await new Promise((resolve) => setTimeout(resolve, 800));
      await connection.write(response(200, "ok"));
      assert.equal((await client.response()).status, 200);
      await client.ended();
    },
  },
  {
    name: "stream_idle_timeout before the response is 504 and keeps the connection",
    config: http({ manager: { stream_idle_timeout: "0.1s" } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(get("/"));
      assert.equal(got.status, 504);
      assert.equal(got.body, "stream timeout");
      assert.equal(got.header("connection"), undefined);
      assert.equal(await t.logLine(), "504 SI stream_idle_timeout");
      await t.stats({
        "http.{case}.downstream_rq_idle_timeout": 1,
        "http.{case}.downstream_rq_5xx": 1,
        "http.{case}.downstream_rq_tx_reset": 0,
        "http.{case}.downstream_cx_active": 1,
      });
    },
  },
  {
    name: "stream_idle_timeout in mid-request is 408 and closes",
    config: http({ manager: { ...closesSoon, stream_idle_timeout: "0.1s" } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(`${post}ab`);
      assert.equal(got.status, 408);
      assert.equal(got.header("connection"), "close");
      await client.ended();
      assert.equal(await t.logLine(), "408 SI stream_idle_timeout");
      await t.stats({
        "http.{case}.downstream_rq_response_before_rq_complete": 1,
        "http.{case}.downstream_rq_4xx": 1,
      });
    },
  },
  {
    name: "stream_idle_timeout in mid-response resets",
    config: http({ manager: { stream_idle_timeout: "0.7s" } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      await beginAnswer(t);
      await client.readThrough("ab");
      await client.ended();
      assert.equal(client.unread, "");
      assert.equal(await t.logLine(), "200 SI stream_idle_timeout");
      await t.stats({
        "http.{case}.downstream_rq_tx_reset": 1,
        "http.{case}.downstream_rq_idle_timeout": 1,
        "http.{case}.downstream_cx_destroy_local_active_rq": 0,
        "http.{case}.downstream_cx_destroy_local": 1,
      });
    },
  },
  {
    name: "request_timeout is for the whole request",
    config: http({ manager: { ...closesSoon, request_timeout: "0.1s" } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(`${post}ab`);
      assert.equal(got.status, 408);
      assert.equal(got.body, "request timeout");
      assert.equal(got.header("connection"), "close");
      await client.ended();
      assert.equal(await t.logLine(), "408 - request_overall_timeout");
      await t.stats({ "http.{case}.downstream_rq_timeout": 1, "http.{case}.downstream_rq_4xx": 1 });
    },
  },
  {
    name: "request_timeout is over with the request",
    config: http({ manager: { request_timeout: "0.05s" } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(`${post}abcde`);
      const connection = await t.upstream().connection();
      await connection.request();
      await new Promise((resolve) => setTimeout(resolve, 150));
      await connection.write(response(200, "ok"));
      assert.equal((await client.response()).status, 200);
      await t.stats({ "http.{case}.downstream_rq_timeout": 0 });
    },
  },
  {
    name: "request_timeout is over with the response's begin",
    config: http({ manager: { ...closesSoon, request_timeout: "0.15s" } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(`${post}ab`);
      const connection = await t.upstream().connection();
      await connection.requestHead();
      await connection.write(lines("HTTP/1.1 200 OK", "content-length: 5"), "ab");
      await client.readThrough("ab");
      await new Promise((resolve) => setTimeout(resolve, 250));
      await connection.write("cde");
      await client.readThrough("cde");
      await t.stats({ "http.{case}.downstream_rq_timeout": 0 });
    },
  },
  {
    name: "request_headers_timeout is for a head that stays incomplete",
    config: http({ manager: { ...closesSoon, request_headers_timeout: "0.1s" } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).status, 200);
      const got = await client.exchange("GET / HTTP/1.1\r\nhost: h\r\n");
      assert.equal(got.status, 408);
      assert.equal(got.body, "request header timeout");
      assert.equal(got.header("connection"), "close");
      await client.ended();
      assert.deepEqual((await t.log(2))[1], "408 - request_header_timeout");
      await t.stats({
        "http.{case}.downstream_rq_header_timeout": 1,
        "http.{case}.downstream_rq_total": 2,
        "http.{case}.downstream_rq_4xx": 1,
      });
    },
  },
  {
    name: "max_stream_duration before the response is 504",
    config: http({ manager: common({ max_stream_duration: "0.1s" }) }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(get("/"));
      assert.equal(got.status, 504);
      assert.equal(got.body, "downstream duration timeout");
      assert.equal(got.header("connection"), undefined);
      assert.equal(await t.logLine(), "504 - max_duration_timeout");
      await t.stats({ "http.{case}.downstream_rq_max_duration_reached": 1 });
    },
  },
  {
    name: "max_stream_duration in mid-request is 408",
    config: http({ manager: { ...closesSoon, ...common({ max_stream_duration: "0.1s" }) } }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(`${post}ab`);
      assert.equal(got.status, 408);
      assert.equal(got.header("connection"), "close");
      assert.equal(await t.logLine(), "408 - max_duration_timeout");
    },
  },
  {
    name: "max_stream_duration in mid-response resets",
    config: http({ manager: common({ max_stream_duration: "0.7s" }) }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      await beginAnswer(t);
      await client.readThrough("ab");
      await client.ended();
      assert.equal(await t.logLine(), "200 - max_duration_timeout");
      await t.stats({
        "http.{case}.downstream_rq_max_duration_reached": 1,
        "http.{case}.downstream_rq_tx_reset": 1,
      });
    },
  },
  {
    name: "max_stream_duration of a gRPC request",
    config: http({ manager: common({ max_stream_duration: "0.1s" }) }),
    upstream: byHand(),
    run: async (t) => {
      const got = await t.get("/", "content-type: application/grpc");
      assert.equal(got.status, 200);
      assert.equal(got.header("grpc-status"), "4");
      assert.equal(got.header("grpc-message"), "downstream duration timeout");
    },
  },
  {
    name: "max_connection_duration says close with the answer that runs",
    config: http({
      manager: { drain_timeout: "0.1s", ...common({ max_connection_duration: "0.1s" }) },
    }),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const connection = await t.upstream().connection();
      await connection.request();
      await t.stats({ "http.{case}.downstream_cx_max_duration_reached": 1 });
      await connection.write(response(200, "ok"));
      const got = await client.response();
      assert.equal(got.header("connection"), "close");
      await client.ended();
    },
  },
  {
    name: "max_connection_duration closes an idle connection after the drain timeout",
    config: http({
      manager: { drain_timeout: "0.1s", ...common({ max_connection_duration: "0.5s" }) },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).status, 200);
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_max_duration_reached": 1,
        "http.{case}.downstream_cx_drain_close": 0,
      });
    },
  },
  {
    name: "max_connection_duration of a connection without any request",
    config: http({
      manager: { drain_timeout: "5s", ...common({ max_connection_duration: "0.1s" }) },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_max_duration_reached": 1,
        "http.{case}.downstream_cx_drain_close": 0,
      });
    },
  },
  {
    name: "max_connection_duration: a request in the drain time is served and told",
    config: http({
      manager: { drain_timeout: "4s", ...common({ max_connection_duration: "0.5s" }) },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      await t.stats({ "http.{case}.downstream_cx_max_duration_reached": 1 });
      assert.equal((await client.exchange(get("/"))).header("connection"), "close");
      await client.ended();
    },
  },
  {
    name: "http1_safe_max_connection_duration waits for a next request",
    config: http({
      manager: {
        drain_timeout: "0.05s",
        http1_safe_max_connection_duration: true,
        ...common({ max_connection_duration: "0.5s" }),
      },
    }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      await t.stats({ "http.{case}.downstream_cx_max_duration_reached": 1 });
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.equal((await client.exchange(get("/"))).header("connection"), "close");
      await client.ended();
    },
  },
  {
    name: "delayed_close_timeout ends a client that does not close",
    config: http({ manager: { delayed_close_timeout: "0.1s" } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange("BAD\r\n\r\n")).status, 400);
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_delayed_close_timeout": 1,
        "http.{case}.downstream_cx_destroy_local": 1,
      });
    },
  },
  {
    name: "delayed_close_timeout 0 closes at once",
    config: http({ manager: { delayed_close_timeout: "0s" } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange("BAD\r\n\r\n")).status, 400);
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_delayed_close_timeout": 0,
        "http.{case}.downstream_cx_destroy_local": 1,
      });
    },
  },
  {
    name: "a client that closes first is not timed",
    config: http({ manager: { delayed_close_timeout: "5s" } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange("BAD\r\n\r\n")).status, 400);
      client.close();
      await t.stats({
        "http.{case}.downstream_cx_delayed_close_timeout": 0,
        "http.{case}.downstream_cx_destroy": 1,
      });
    },
  },
  {
    name: "max_requests_per_connection counts once",
    config: http({ manager: { ...closesSoon, ...common({ max_requests_per_connection: 2 }) } }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      assert.equal((await client.exchange(get("/"))).header("connection"), "close");
      await client.ended();
      await t.stats({
        "http.{case}.downstream_cx_max_requests_reached": 1,
        "http.{case}.downstream_cx_drain_close": 0,
        "http.{case}.downstream_cx_destroy_local": 1,
      });
    },
  },
]);
