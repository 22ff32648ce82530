/** grpc_stats. */
import {
  answerFrames,
  frameUpstream,
  type MessageOptions,
} from "../../testkit/http2/frame-peer.ts";
import { rstStream } from "../../testkit/http2/frames.ts";
import type { Field } from "../../testkit/http2/header-stories.ts";
import { parityArea } from "./harness/area.ts";
import { extension, type JsonObject } from "./harness/config.ts";
import { grpcRequest, message } from "./harness/grpc.ts";
import { askFrames, connectFrames, http2, http2Cluster, request } from "./harness/http2.ts";
import { type Seen, scene } from "./harness/scene.ts";

const call = grpcRequest();
const okHead: readonly Field[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const trailers = (status: string): MessageOptions => ({
  body: message("yo"),
  trailers: [["grpc-status", status]],
});
const stats = (config: JsonObject): JsonObject =>
  extension(
    "envoy.filters.http.grpc_stats",
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    config,
  );
const counting = (config: JsonObject, logFormat = "%RESPONSE_CODE%") =>
  http2({}, { filters: [stats(config)], clusters: [http2Cluster()], logFormat });
/** The assertions are about counters. */
const called: Seen = [];

parityArea("grpc-stats", [
  scene({
    name: "grpc_stats: all methods",
    config: counting({ stats_for_all_methods: true }),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => peer.message(id, okHead, id === 1 ? trailers("0") : trailers("5")),
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, call, { body: Buffer.concat([message("a"), message("b")]) });
      await client.whole(1);
      client.message(3, call, { body: message("a") });
      await client.whole(3);
      const prefix = "cluster.{case}-main.grpc.heddle.Test.Call";
      await t.stats({
        [`${prefix}.total`]: 2,
        [`${prefix}.success`]: 1,
        [`${prefix}.failure`]: 1,
        [`${prefix}.0`]: 1,
        [`${prefix}.5`]: 1,
        [`${prefix}.request_message_count`]: 3,
        [`${prefix}.response_message_count`]: 2,
      });
      return called;
    },
    sees: called,
  }),
  scene({
    name: "grpc_stats: listed methods, and the others together",
    config: counting({
      individual_method_stats_allowlist: {
        services: [{ name: "heddle.Test", method_names: ["Call", "Other"] }],
      },
    }),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      const client = await connectFrames(t);
      client.message(1, call, { body: message("a") });
      await client.whole(1);
      client.message(
        3,
        request("POST", "/heddle.Test/Unlisted", ["content-type", "application/grpc"]),
        { body: message("a") },
      );
      await client.whole(3);
      await t.stats({
        "cluster.{case}-main.grpc.heddle.Test.Call.total": 1,
        "cluster.{case}-main.grpc.heddle.Test.Call.success": 1,
        "cluster.{case}-main.grpc.success": 1,
        "cluster.{case}-main.grpc.total": 1,
        "cluster.{case}-main.grpc.request_message_count": 1,
        "cluster.{case}-main.grpc.response_message_count": 1,
      });
      return called;
    },
    sees: called,
  }),
  scene({
    name: "grpc_stats: dots of the service replaced",
    config: counting({ stats_for_all_methods: true, replace_dots_in_grpc_service_name: true }),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      await askFrames(t, call, { body: message("a") });
      await t.stats({ "cluster.{case}-main.grpc.heddle_Test.Call.success": 1 });
      return called;
    },
    sees: called,
  }),
  scene({
    name: "grpc_stats: not told which, calls are counted together",
    config: counting({}),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      await askFrames(t, call, { body: message("a") });
      await t.stats({ "cluster.{case}-main.grpc.success": 1 });
      return called;
    },
    sees: called,
  }),
  scene({
    name: "grpc_stats: a call without an answer, and one that is not gRPC",
    config: counting({ stats_for_all_methods: true }),
    upstream: frameUpstream({
      onEnd: ({ id }, peer) => {
        if (id === 1) peer.send(rstStream(id, 2));
        else if (id === 3) peer.message(id, [[":status", "503"]]);
        else if (id === 5) peer.message(id, [...okHead, ["grpc-status", "12"]]);
        else peer.message(id, okHead, { body: message("a") });
      },
    }),
    act: async (t) => {
      const client = await connectFrames(t);
      for (const id of [1, 3, 5, 7]) {
        client.message(id, call, { body: message("a") });
        await client.whole(id);
      }
      const prefix = "cluster.{case}-main.grpc.heddle.Test.Call";
      await t.stats({ [`${prefix}.request_message_count`]: 4 });
      const names = ["total", "success", "failure", "12", "14", "2"];
      return Promise.all(names.map(async (name) => `${name} ${await t.stat(`${prefix}.${name}`)}`));
    },
    sees: ["total 2", "success undefined", "failure 2", "12 1", "14 1", "2 undefined"],
  }),
  scene({
    name: "grpc_stats: message counts are filter state",
    config: counting(
      { stats_for_all_methods: true, emit_filter_state: true },
      "%FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)% %FILTER_STATE(envoy.filters.http.grpc_stats)% %FILTER_STATE(envoy.filters.http.grpc_stats:FIELD:request_message_count)%",
    ),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      await askFrames(t, call, { body: Buffer.concat([message("a"), message("b")]) });
      return [await t.logLine()];
    },
    sees: ['2,1 {"requestMessageCount":"2","responseMessageCount":"1"} -'],
  }),
  scene({
    name: "grpc_stats: the upstream's time",
    config: counting({ stats_for_all_methods: true, enable_upstream_stats: true }),
    upstream: answerFrames(okHead, trailers("0")),
    act: async (t) => {
      await askFrames(t, call, { body: message("a") });
      return t.eventually(async () => {
        const { body } = await t.admin("/stats?format=json&filter=cluster.{case}-main.grpc");
        if (!body.includes("upstream_rq_time")) throw new Error("no histogram yet");
        return ["upstream_rq_time"];
      });
    },
    sees: ["upstream_rq_time"],
  }),
]);
