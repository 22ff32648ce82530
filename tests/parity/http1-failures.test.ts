import assert from "node:assert/strict";
import { answer, answers, byHand, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { closesSoon, lines } from "./harness/http1.ts";

parityArea("http1-failures", [
  {
    name: "a response before the end of the request is passed on and the connection closed",
    config: http({ manager: closesSoon }),
    upstream: async (connection) => {
      await connection.requestHead();
      await connection.write(response(413, "too much"));
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write(lines("POST / HTTP/1.1", "host: h", "content-length: 100").concat("part"));
      const got = await client.response();
      assert.equal(got.status, 413);
      assert.equal(got.body, "too much");
      await client.ended();
    },
  },
  {
    name: "an upstream that closes before the head is 503 UC",
    config: http(),
    upstream: async (connection) => {
      await connection.request();
      connection.end();
    },
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(
        got.body,
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
      );
      assert.equal(
        await t.logLine(),
        "503 UC upstream_reset_before_response_started{connection_termination}",
      );
    },
  },
  {
    name: "an upstream that resets before the head is 503 UC",
    config: http(),
    upstream: async (connection) => {
      await connection.request();
      connection.reset();
    },
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(
        await t.logLine(),
        "503 UC upstream_reset_before_response_started{connection_termination}",
      );
    },
  },
  {
    name: "an upstream that speaks no HTTP is 502 UPE",
    config: http(),
    upstream: answer("SSH-2.0-OpenSSH_9.2\r\n"),
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 502);
      assert.equal(
        got.body,
        "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
      );
      assert.equal(
        await t.logLine(),
        "502 UPE upstream_reset_before_response_started{protocol_error}",
      );
      await t.stats({ "cluster.{case}-main.upstream_cx_protocol_error": 1 });
    },
  },
  {
    name: "bytes behind a response close the upstream connection and reach nobody",
    config: http(),
    upstream: answers(
      `${response(200, "ok")}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`,
      response(200, "good"),
    ),
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/1"))).body, "ok");
      await (await t.upstream().connection(0)).ended();
      assert.equal((await client.exchange(get("/2"))).body, "good");
      assert.equal(t.upstream().connections.length, 2);
    },
  },
  {
    name: "a body that the upstream cuts short resets the client and is never padded",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await upstream.write(lines("HTTP/1.1 200 OK", "content-length: 10").concat("part"));
      await client.readThrough("part");
      upstream.end();
      await client.ended();
      assert.equal(client.unread, "");
      assert.equal(
        await t.logLine(),
        "200 UPE upstream_reset_after_response_started{protocol_error}",
      );
    },
  },
  {
    name: "a bad chunk from the upstream resets the client without an end of body",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await upstream.write(
        lines("HTTP/1.1 200 OK", "transfer-encoding: chunked").concat("4\r\npart\r\n"),
      );
      await client.readThrough("4\r\npart\r\n");
      await upstream.write("nonsense\r\n");
      await client.ended();
      assert.equal(client.unread, "");
      assert.equal(
        await t.logLine(),
        "200 UPE upstream_reset_after_response_started{protocol_error}",
      );
    },
  },
  {
    name: "both lengths from the upstream are a protocol error",
    config: http(),
    upstream: answer(
      lines("HTTP/1.1 200 OK", "content-length: 2", "transfer-encoding: chunked").concat(
        "2\r\nok\r\n0\r\n\r\n",
      ),
    ),
    run: async (t) => assert.equal((await t.get("/")).status, 502),
  },
  {
    name: "a client that goes away in mid-request resets the upstream",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(lines("POST / HTTP/1.1", "host: h", "content-length: 100").concat("part"));
      const upstream = await t.upstream().connection();
      await upstream.readThrough("part");
      client.reset();
      await upstream.ended();
      assert.match(await t.logLine(), /^0 DC downstream_remote_disconnect/);
      await t.stats({
        "http.{case}.downstream_rq_rx_reset": 1,
        "cluster.{case}-main.upstream_rq_active": 0,
      });
    },
  },
  {
    name: "a client that goes away in mid-response resets the upstream",
    config: http(),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await upstream.write(lines("HTTP/1.1 200 OK", "content-length: 100"), "part");
      await client.readThrough("part");
      client.reset();
      await upstream.ended();
      assert.match(await t.logLine(), /^200 DC downstream_remote_disconnect/);
    },
  },
]);
