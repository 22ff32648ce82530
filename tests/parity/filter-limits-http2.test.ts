/** The filters fault, local_ratelimit and bandwidth_limit on streams that share a connection. */
import assert from "node:assert/strict";
import { answerFrames } from "../../testkit/http2/frame-peer.ts";
import { rstStream } from "../../testkit/http2/frames.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { extension, type JsonObject } from "./harness/config.ts";
import { all, fault, limited } from "./harness/fault.ts";
import { connectFrames, http2, http2Cluster, okFrames, request } from "./harness/http2.ts";
import { timed } from "./harness/limits.ts";
import { bucket, limiter } from "./harness/local-ratelimit.ts";

const configured = (filter: JsonObject): ReturnType<typeof http2> =>
  http2({}, { filters: [filter], clusters: [http2Cluster()] });
const kib = 1024;
const body = "b".repeat(12 * kib);
const call = answerFrames(
  [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ],
  { body, trailers: [["grpc-status", "0"]] },
);
const bandwidth = (config: JsonObject): JsonObject =>
  extension(
    "envoy.filters.http.bandwidth_limit",
    "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit",
    { stat_prefix: "{case}", limit_kbps: 8, enable_mode: "RESPONSE", ...config },
  );

const cases: readonly ParityCase[] = [
  {
    name: "a delayed stream holds up no other, and its reset ends the delay",
    config: configured(fault({ delay: { header_delay: {}, percentage: all } })),
    upstream: okFrames,
    run: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/", ["x-envoy-fault-delay-request", "60000"]));
      client.message(3, request("GET", "/"));
      assert.equal((await client.whole(3)).body, "ok");
      await t.stats({ "http.{case}.fault.active_faults": 1 });
      client.send(rstStream(1));
      await t.stats({
        "http.{case}.fault.active_faults": 0,
        "http.{case}.downstream_rq_active": 0,
      });
      assert.deepEqual((await t.log(2))[1], "0 DI,DR http2.remote_reset");
    },
  },
  {
    name: "an abort ends its stream only",
    config: configured(fault({ abort: { header_abort: {}, percentage: all } })),
    upstream: okFrames,
    run: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/", ["x-envoy-fault-abort-request", "418"]));
      client.message(3, request("GET", "/"));
      const first = await client.whole(1);
      assert.deepEqual(
        [first.sections[0]?.[0], first.body],
        [":status: 418", "fault filter abort"],
      );
      assert.equal((await client.whole(3)).body, "ok");
    },
  },
  {
    name: "each stream has its own limit of a fault, and trailers come last",
    config: configured(fault(limited({ fixed_limit: { limit_kbps: 32 } }))),
    upstream: call,
    run: async (t) => {
      const client = await connectFrames(t);
      const { result, elapsedMs } = await timed(async () => {
        for (const id of [1, 3]) client.message(id, request("POST", "/"));
        return [await client.whole(1), await client.whole(3)];
      });
      for (const stream of result) {
        assert.equal(stream.body.length, body.length);
        assert.deepEqual(stream.sections[1], ["grpc-status: 0"]);
      }
      // 12 KiB at 32 KiB/s, the first twentieth of a second at once.
      assert.ok(elapsedMs >= 300, `${elapsedMs} ms`);
      await t.stats({ "http.{case}.fault.response_rl_injected": 2 });
    },
  },
  {
    name: "streams share the bucket of a local rate limit",
    config: configured(limiter({ token_bucket: bucket(1) })),
    upstream: okFrames,
    run: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      assert.equal((await client.whole(1)).body, "ok");
      client.message(3, request("GET", "/"));
      const second = await client.whole(3);
      assert.deepEqual(
        [second.sections[0]?.[0], second.body],
        [":status: 429", "local_rate_limited"],
      );
    },
  },
  {
    name: "bandwidth trailers stand beside a call's status",
    config: configured(bandwidth({ enable_response_trailers: true })),
    upstream: call,
    run: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("POST", "/"));
      const { sections, body: received, end } = await client.whole(1);
      assert.equal(received.length, body.length);
      assert.deepEqual(
        sections[1]?.map((field) => field.split(":")[0]),
        ["bandwidth-response-delay-ms", "bandwidth-response-filter-delay-ms", "grpc-status"],
      );
      assert.equal(end, "end");
    },
  },
  {
    name: "bandwidth trailers of a response without trailers",
    config: configured(bandwidth({ enable_response_trailers: true })),
    upstream: answerFrames([[":status", "200"]], { body }),
    run: async (t) => {
      const client = await connectFrames(t);
      client.message(1, request("GET", "/"));
      const { sections, body: received, end } = await client.whole(1);
      assert.equal(received.length, body.length);
      assert.deepEqual([sections[1]?.length, end], [2, "end"]);
    },
  },
];

parityArea("filter-limits-http2", cases);
