import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { emptyRuntime } from "../../../testkit/picker-suite.ts";
import type { Services } from "../services.ts";
import { type CircuitBreaker, CircuitBreakers, SharedCells } from "./circuit-breakers.ts";

const two: ClusterJson = {
  name: "c",
  circuitBreakers: {
    thresholds: [
      { maxRequests: 2, trackRemaining: true },
      { priority: "HIGH", maxRequests: 1 },
    ],
  },
};

function make(config: ClusterJson, services: Services = fakeServices(), cells?: SharedCells) {
  const stats = services.stats.scope("cluster.c.");
  return { breakers: new CircuitBreakers(config, { services, stats, cells }), stats };
}

/** As many as it lets through, of ten. */
function taken(breaker: CircuitBreaker): number {
  let count = 0;
  for (let i = 0; i < 10; i++) if (breaker.tryTake("requests")) count++;
  return count;
}

test("each priority has its own limit", () => {
  const { breakers } = make(two);
  assert.equal(taken(breakers.of("DEFAULT")), 2);
  assert.equal(taken(breakers.of("HIGH")), 1);
});

test("a release makes room for one", () => {
  const breaker = make(two).breakers.of("DEFAULT");
  taken(breaker);
  breaker.release("requests");
  assert.equal(taken(breaker), 1);
});

test("the defaults are Envoy's", () => {
  const breaker = make({ name: "c" }).breakers.of("DEFAULT");
  const limits = (["connections", "pending", "requests", "retries", "pools"] as const).map(
    (resource) => breaker.max(resource),
  );
  assert.deepEqual(limits, [1024, 1024, 1024, 3, 4_294_967_295]);
});

test("gauges say when a breaker is open and what remains", () => {
  const { breakers, stats } = make(two);
  const breaker = breakers.of("DEFAULT");
  const open = stats.gauge("circuit_breakers.default.rq_open");
  const remaining = stats.gauge("circuit_breakers.default.remaining_rq");
  assert.deepEqual([open.value, remaining.value], [0, 2]);
  breaker.tryTake("requests");
  assert.deepEqual([open.value, remaining.value], [0, 1]);
  breaker.tryTake("requests");
  assert.deepEqual([open.value, remaining.value], [1, 0]);
  breaker.release("requests");
  assert.deepEqual([open.value, remaining.value], [0, 1]);
});

test("a limit of 0 lets nothing through and, as in Envoy, never shows as open", () => {
  const thresholds = [{ maxConnections: 0 }];
  const { breakers, stats } = make({ name: "c", circuitBreakers: { thresholds } });
  assert.equal(breakers.of("DEFAULT").tryTake("connections"), false);
  assert.equal(stats.gauge("circuit_breakers.default.cx_open").value, 0);
});

test("the runtime overrides a limit", () => {
  const runtime = {
    ...emptyRuntime,
    number: (key: string, absent: number) =>
      key === "circuit_breakers.c.default.max_requests" ? 5 : absent,
  };
  assert.equal(taken(make(two, fakeServices({ runtime })).breakers.of("DEFAULT")), 5);
});

test("workers share their counts, clusters and priorities do not", () => {
  const memory = SharedCells.allocate(2);
  const worker = (name: string): CircuitBreakers =>
    make({ ...two, name }, fakeServices(), new SharedCells(memory, ["c", "d"])).breakers;
  const [first, second, other] = [worker("c"), worker("c"), worker("d")];
  assert.equal(first.of("DEFAULT").tryTake("requests"), true);
  assert.equal(taken(second.of("DEFAULT")), 1);
  assert.equal(first.of("DEFAULT").tryTake("requests"), false);
  assert.equal(first.of("DEFAULT").count("requests"), 2, "what was refused is not counted");
  second.of("DEFAULT").release("requests");
  assert.equal(first.of("DEFAULT").tryTake("requests"), true);
  assert.equal(taken(second.of("HIGH")), 1);
  assert.equal(taken(other.of("DEFAULT")), 2);
});

test("the gauges of workers add up", () => {
  const memory = SharedCells.allocate(1);
  const workers = [1, 2, 3].map(() => make(two, fakeServices(), new SharedCells(memory, ["c"])));
  const sum = (name: string): number =>
    workers.reduce(
      (all, { stats }) => all + stats.gauge(`circuit_breakers.default.${name}`).value,
      0,
    );
  const [first, second] = workers.map(({ breakers }) => breakers.of("DEFAULT"));
  assert.deepEqual([sum("rq_open"), sum("remaining_rq")], [0, 2]);
  first?.tryTake("requests");
  second?.tryTake("requests");
  assert.deepEqual([sum("rq_open"), sum("remaining_rq")], [1, 0]);
  assert.equal(first?.tryTake("requests"), false);
  // Another worker than the one that filled it makes room.
  first?.release("requests");
  assert.deepEqual([sum("rq_open"), sum("remaining_rq")], [0, 1]);
  second?.release("requests");
  assert.deepEqual([sum("rq_open"), sum("remaining_rq")], [0, 2]);
});

test("a limit that the runtime raises does not leave the gauge open", () => {
  let max = 1;
  const runtime = { ...emptyRuntime, number: () => max };
  const { breakers, stats } = make(two, fakeServices({ runtime }));
  const open = stats.gauge("circuit_breakers.default.rq_open");
  breakers.of("DEFAULT").tryTake("requests");
  assert.equal(open.value, 1);
  max = 5;
  breakers.of("DEFAULT").release("requests");
  assert.equal(open.value, 0);
});
