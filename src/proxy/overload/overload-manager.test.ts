import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OverloadManagerJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { MainStats } from "../stats/main-stats.ts";
import { ConnectionCounts } from "./connection-counts.ts";
import { Action, type OverloadLevels } from "./names.ts";
import { OverloadManager } from "./overload-manager.ts";

const heap = {
  name: "heap",
  typedConfig: {
    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    maxHeapSizeBytes: "1000",
  },
};

function setup(config: OverloadManagerJson): {
  readonly clock: FakeClock;
  readonly manager: OverloadManager;
  readonly told: OverloadLevels[];
  readonly memory: { bytes: number; shrunk: number };
  stat(name: string): number | undefined;
} {
  const clock = new FakeClock();
  const stats = new MainStats();
  const told: OverloadLevels[] = [];
  const memory = { bytes: 0, shrunk: 0 };
  const manager = new OverloadManager(config, {
    clock,
    stats: stats.own,
    observed: {
      residentBytes: () => memory.bytes,
      connections: new ConnectionCounts(ConnectionCounts.allocate(0)).limited,
    },
    onLevels: (levels) => told.push(levels),
    shrinkHeap: () => {
      memory.shrunk += 1;
      return true;
    },
  });
  manager.start();
  const stat = (name: string): number | undefined =>
    [...stats.counters(), ...stats.gauges()].find((value) => value.name === `overload.${name}`)
      ?.value;
  return { clock, manager, told, memory, stat };
}

const scaled = (name: string): OverloadManagerJson => ({
  resourceMonitors: [heap],
  actions: [
    {
      name,
      triggers: [{ name: "heap", scaled: { scalingThreshold: 0.5, saturationThreshold: 0.9 } }],
    },
  ],
});

describe("overload manager", () => {
  it("tells workers when something changes, and only then", () => {
    const { clock, manager, told, memory, stat } = setup(scaled(Action.disableHttpKeepalive));
    clock.advance(3000);
    assert.deepEqual(told, []);
    memory.bytes = 600;
    clock.advance(1000);
    memory.bytes = 2000;
    clock.advance(3000);
    assert.deepEqual(
      told.map((levels) => Math.round(100 * (levels[Action.disableHttpKeepalive] ?? 0))),
      [25, 100],
    );
    assert.equal(stat("heap.pressure"), 200);
    assert.equal(stat(`${Action.disableHttpKeepalive}.active`), 1);
    manager.stop();
    assert.equal(clock.waiting, 0);
  });

  it("does nothing without a monitor", () => {
    const { clock } = setup({});
    assert.equal(clock.waiting, 0);
  });

  it("shrinks the heap every ten seconds while that is saturated", () => {
    const { clock, manager, memory, stat } = setup(scaled(Action.shrinkHeap));
    memory.bytes = 890;
    clock.advance(20_000);
    assert.equal(memory.shrunk, 0);
    memory.bytes = 900;
    clock.advance(20_000);
    assert.equal(memory.shrunk, 2);
    assert.equal(stat(`${Action.shrinkHeap}.shrink_count`), 2);
    manager.stop();
  });
});
