import assert from "node:assert/strict";
import { test } from "node:test";
import { host } from "../../../testkit/hosts.ts";
import { distribution, emptyRuntime, pickerSuite } from "../../../testkit/picker-suite.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { roundRobin } from "./round-robin.ts";

pickerSuite(roundRobin);

test("equal weights are a ring", () => {
  const hosts = [host(1), host(2), host(3)];
  const picker = roundRobin.make(hosts, {
    config: undefined,
    random: seededRandom(1),
    runtime: emptyRuntime,
  });
  const order = Array.from({ length: 6 }, () => picker.pick({}));
  assert.equal(new Set(order.slice(0, 3)).size, 3);
  assert.deepEqual(order.slice(3), order.slice(0, 3));
});

test("weights 3:1 are 12:4 of 16, wherever the schedule begins", () => {
  for (let seed = 0; seed < 20; seed++) {
    const hosts = [host(1, { weight: 3 }), host(2)];
    assert.deepEqual(distribution({ factory: roundRobin, hosts, picks: 16, seed }), [12, 4]);
  }
});

test("many weights get their exact share of each whole turn", () => {
  const weights = [1, 2, 3, 10, 100];
  const hosts = weights.map((weight, index) => host(index, { weight }));
  const total = weights.reduce((sum, weight) => sum + weight);
  const counts = distribution({ factory: roundRobin, hosts, picks: total * 10 });
  for (const [index, weight] of weights.entries()) {
    // Float deadlines that ought to be equal may swap at the border of a turn.
    assert.ok(Math.abs((counts[index] ?? 0) - weight * 10) <= 1, `${weight}: ${counts[index]}`);
  }
});

test("a heavy host's picks are spread, not bunched", () => {
  const hosts = [host(1, { weight: 2 }), host(2), host(3)];
  const picker = roundRobin.make(hosts, {
    config: undefined,
    random: seededRandom(3),
    runtime: emptyRuntime,
  });
  const order = Array.from({ length: 40 }, () => picker.pick({}));
  let run = 0;
  for (const picked of order) {
    run = picked === hosts[0] ? run + 1 : 0;
    assert.ok(run <= 2);
  }
});
