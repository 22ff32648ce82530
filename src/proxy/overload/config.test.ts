import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OverloadManagerJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import { compileOverload } from "./config.ts";

const extensions = "type.googleapis.com/envoy.extensions.resource_monitors";
const file = {
  name: "file",
  typedConfig: {
    "@type": `${extensions}.injected_resource.v3.InjectedResourceConfig`,
    filename: "/x",
  },
};
const stop = "envoy.overload_actions.stop_accepting_requests";
const reduce = "envoy.overload_actions.reduce_timeouts";
const trigger = { name: "file", threshold: { value: 0.9 } };

function problems(config: Partial<OverloadManagerJson>): readonly string[] {
  try {
    compileOverload({ resourceMonitors: [file], ...config });
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.split("\n");
  }
  return [];
}

const reducing = (...timerScaleFactors: readonly object[]): Partial<OverloadManagerJson> => ({
  actions: [
    {
      name: reduce,
      triggers: [trigger],
      typedConfig: {
        "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
        ...{ timerScaleFactors },
      },
    },
  ],
});

describe("overload manager's configuration", () => {
  it("looks each second unless told otherwise", () => {
    assert.equal(compileOverload({}).refreshIntervalMs, 1000);
    assert.equal(compileOverload({ refreshInterval: "0.25s" }).refreshIntervalMs, 250);
  });

  it("names every problem and where it is", () => {
    assert.deepEqual(
      problems({
        actions: [
          { name: stop, triggers: [{ ...trigger, name: "x" }, trigger, trigger] },
          { name: "envoy.overload_actions.reset_high_memory_stream", triggers: [trigger] },
          { name: reduce, triggers: [trigger] },
        ],
      }),
      [
        `actions[0].triggers[0].name: Unknown trigger resource x for overload action ${stop}`,
        `actions[0].triggers[2].name: Duplicate trigger resource for overload action ${stop}`,
        "actions[1].name: Heddle has no overload action envoy.overload_actions.reset_high_memory_stream",
        "actions[2].typed_config: must be a envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
      ],
    );
    assert.deepEqual(problems({ loadshedPoints: [{ name: "x", triggers: [trigger] }] }), [
      "loadshed_points[0].name: Heddle has no load shed point x",
    ]);
  });

  it("refuses names that are there twice, and a typed_config that means nothing", () => {
    const action = { name: stop, triggers: [trigger] };
    assert.deepEqual(problems({ actions: [action, action] }), [
      `actions[1].name: Duplicate overload action ${stop}`,
    ]);
    assert.deepEqual(problems({ resourceMonitors: [file, file] }), [
      "resource_monitors[1].name: Duplicate resource monitor file",
    ]);
    assert.deepEqual(problems({ actions: [{ ...action, typedConfig: file.typedConfig }] }), [
      `actions[0].typed_config: Overload action "${stop}" has an unexpected value for the typed_config field`,
    ]);
  });

  it("takes the connections' monitor as a trigger whether it is there or not", () => {
    const name = "envoy.resource_monitors.global_downstream_max_connections";
    assert.deepEqual(problems({ actions: [{ name: stop, triggers: [{ ...trigger, name }] }] }), []);
  });

  it("timeouts: a time or a part, never longer than the whole", () => {
    const { minimums } = compileOverload({
      resourceMonitors: [file],
      ...reducing(
        { timer: "HTTP_DOWNSTREAM_CONNECTION_IDLE", minTimeout: "2s" },
        { timer: "HTTP_DOWNSTREAM_STREAM_IDLE", minScale: { value: 10 } },
      ),
    });
    const idle = minimums.get("HTTP_DOWNSTREAM_CONNECTION_IDLE");
    assert.deepEqual([idle?.(600_000), idle?.(500)], [2000, 500]);
    assert.equal(minimums.get("HTTP_DOWNSTREAM_STREAM_IDLE")?.(600_000), 60_000);
    const twice = { timer: "TRANSPORT_SOCKET_CONNECT", minTimeout: "1s" };
    assert.match(problems(reducing(twice, twice))[0] ?? "", /duplicate entry for timer type/);
  });
});
