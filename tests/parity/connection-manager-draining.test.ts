import assert from "node:assert/strict";
import { answer, byHand, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { http } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import { closesSoon } from "./harness/http1.ts";

const ok = answer(response(200, "ok"));
const config = http({ manager: { ...closesSoon, drain_timeout: "0.1s" } });

/** A request that runs while `path` is posted to the admin server; its answer says that it was the last. */
const told = (name: string, path: string, drainClosed: number, ...flags: string[]): ParityCase => ({
  name,
  config,
  upstream: byHand(),
  own: { arguments: flags },
  run: async (t) => {
    const client = await t.connect();
    await client.write(get("/"));
    const connection = await t.upstream().connection();
    await connection.request();
    assert.equal((await t.admin(path, "POST")).status, 200);
    await connection.write(response(200, "ok"));
    const got = await client.response();
    assert.equal(got.header("connection"), "close");
    assert.equal(got.body, "ok");
    await client.ended();
    await t.stats({ "http.{case}.downstream_cx_drain_close": drainClosed });
  },
});

parityArea("connection-manager-draining", [
  told(
    "/healthcheck/fail ends connections with the next answer, also of a request that runs",
    "/healthcheck/fail",
    1,
  ),
  told(
    "/drain_listeners?graceful ends connections with the next answer",
    "/drain_listeners?graceful",
    1,
    "--drain-strategy",
    "immediate",
  ),
  {
    name: "/healthcheck/ok takes it back",
    config,
    upstream: ok,
    own: {},
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await t.admin("/healthcheck/fail", "POST")).status, 200);
      assert.equal((await t.admin("/healthcheck/ok", "POST")).status, 200);
      const got = await client.exchange(get("/"));
      assert.equal(got.header("connection"), undefined);
      await t.stats({ "http.{case}.downstream_cx_drain_close": 0 });
    },
  },
  {
    name: "an idle connection is told with its next request",
    config,
    upstream: ok,
    own: {},
    run: async (t) => {
      const client = await t.connect();
      assert.equal((await client.exchange(get("/"))).header("connection"), undefined);
      await t.admin("/healthcheck/fail", "POST");
      assert.equal((await client.exchange(get("/"))).header("connection"), "close");
      await client.ended();
    },
  },
]);
