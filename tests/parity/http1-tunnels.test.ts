import assert from "node:assert/strict";
import { answer, echo, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { http, route, toCluster } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { closesSoon, lines } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
const upgradeRequest = get(
  "/chat",
  "connection: Upgrade",
  "upgrade: websocket",
  "sec-websocket-key: x",
);
const switching = lines(
  "HTTP/1.1 101 Switching Protocols",
  "connection: Upgrade",
  "upgrade: websocket",
);
const websocket = { upgrade_configs: [{ upgrade_type: "websocket" }] };

parityArea("http1-tunnels", [
  {
    name: "an upgrade that is not enabled is refused",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(upgradeRequest);
      assert.equal(got.status, 403);
      assert.equal(await t.logLine(), "403 - upgrade_failed");
    },
  },
  {
    name: "a WebSocket upgrade becomes a tunnel for bytes in both directions",
    config: http({ manager: websocket }),
    upstream: async (connection) => {
      const head = await connection.requestHead();
      assert.match(head, /\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/);
      connection.consume(head.length);
      await connection.write(switching, "server first");
      await connection.readThrough("\0\xffclient");
      await connection.write("last");
      connection.end();
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write(upgradeRequest);
      const head = await client.readThrough("\r\n\r\n");
      assert.match(head, /^HTTP\/1.1 101 Switching Protocols\r\n/);
      assert.match(head, /\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/);
      await client.readThrough("server first");
      await client.write("\0\xffclient");
      await client.readThrough("last");
      await client.ended();
      await t.stats({ "http.{case}.downstream_cx_upgrades_total": 1 });
    },
  },
  {
    name: "the client's end of a WebSocket ends the tunnel",
    config: http({ manager: websocket }),
    upstream: async (connection) => {
      const head = await connection.requestHead();
      connection.consume(head.length);
      await connection.write(switching);
      await connection.readThrough("last words");
      await connection.ended();
      connection.end();
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write(upgradeRequest);
      await client.readThrough("\r\n\r\n");
      await client.write("last words");
      client.end();
      await client.ended();
      assert.match(await t.logLine(), /^101 /);
    },
    heddle: {
      difference: "The end of an HTTP/1 tunnel is an end",
      run: async (t) => {
        const client = await t.connect();
        await client.write(upgradeRequest);
        await client.readThrough("\r\n\r\n");
        await client.write("last words");
        client.end();
        await client.ended();
        assert.equal(await t.logLine(), "101 - via_upstream");
      },
    },
  },
  {
    name: "an upgrade that the upstream declines is an ordinary response",
    config: http({ manager: websocket }),
    upstream: answer(response("426 Upgrade Required", "no")),
    run: async (t) => {
      const got = await t.send(upgradeRequest);
      assert.equal(got.status, 426);
      assert.equal(got.body, "no");
    },
  },
  {
    name: "a route may enable the upgrade that the manager disables",
    config: http({
      manager: { upgrade_configs: [{ upgrade_type: "websocket", enabled: false }] },
      routes: [
        route(
          { prefix: "/chat" },
          toCluster("main", { upgrade_configs: [{ upgrade_type: "websocket", enabled: true }] }),
        ),
        route(),
      ],
    }),
    upstream: answer(switching),
    run: async (t) => {
      assert.equal((await t.send(upgradeRequest)).status, 101);
      assert.equal((await t.send(upgradeRequest.replace("/chat", "/other"))).status, 403);
    },
  },
  {
    name: "h2c upgrade is ignored",
    config: http(),
    upstream: ok,
    run: async (t) => {
      const got = await t.get(
        "/",
        "connection: Upgrade, HTTP2-Settings",
        "upgrade: h2c",
        "http2-settings: AAMAAABk",
      );
      assert.equal(got.status, 200);
      assert.ok(!t.upstream().received.includes("upgrade"));
    },
  },
  {
    name: "CONNECT without a CONNECT route finds no route",
    config: http({ manager: closesSoon }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      const got = await client.exchange(
        lines("CONNECT target.test:443 HTTP/1.1", "host: target.test:443"),
        { method: "CONNECT" },
      );
      assert.equal(got.status, 404);
      assert.equal(await t.logLine(), "404 NR route_not_found");
    },
  },
  {
    name: "CONNECT with a CONNECT route but no upgrade is refused",
    config: http({ manager: closesSoon, routes: [route({ connect_matcher: {} })] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.send(lines("CONNECT target.test:443 HTTP/1.1", "host: target.test:443"), {
        method: "CONNECT",
      });
      assert.equal(got.status, 403);
      assert.equal(await t.logLine(), "403 - upgrade_failed");
    },
  },
  {
    name: "CONNECT is terminated into a TCP tunnel with connect_config",
    config: http({
      manager: closesSoon,
      routes: [
        route(
          { connect_matcher: {} },
          toCluster("main", { upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: {} }] }),
        ),
      ],
    }),
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(lines("CONNECT target.test:443 HTTP/1.1", "host: target.test:443"));
      assert.match(await client.readThrough("\r\n\r\n"), /^HTTP\/1.1 200 OK\r\n/);
      await client.write("\x16\x03ping");
      await client.readThrough("\x16\x03ping");
      assert.equal(t.upstream().received, "\x16\x03ping");
      client.end();
      await client.ended();
    },
  },
  {
    name: "CONNECT is passed on to the upstream without connect_config",
    config: http({
      manager: { ...closesSoon, upgrade_configs: [{ upgrade_type: "CONNECT" }] },
      routes: [route({ connect_matcher: {} })],
    }),
    upstream: async (connection) => {
      connection.consume((await connection.requestHead()).length);
      await connection.write("HTTP/1.1 200 OK\r\n\r\n");
      await connection.readThrough("ping");
      await connection.write("pong");
    },
    run: async (t) => {
      const client = await t.connect();
      await client.write(lines("CONNECT target.test:443 HTTP/1.1", "host: target.test:443"));
      await client.readThrough("\r\n\r\n");
      await client.write("ping");
      await client.readThrough("pong");
      assert.match(
        t.upstream().received,
        /^CONNECT target.test:443 HTTP\/1.1\r\nhost: target.test:443\r\n/,
      );
    },
  },
]);
