import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { Health } from "./health.ts";

const random = seededRandom(7);

/** Of a thousand answers. */
function sentAway(health: Health, clock: FakeClock, inbound = false): number {
  let count = 0;
  for (let i = 0; i < 1000; i++) if (health.sendsAway(inbound, { clock, random })) count += 1;
  return count;
}

describe("Health", () => {
  it("sends nobody away while all is well, and everybody while the health check fails", () => {
    const [health, clock] = [new Health(), new FakeClock()];
    assert.equal(sentAway(health, clock), 0);
    health.failed = true;
    assert.equal(sentAway(health, clock), 1000);
    health.failed = false;
    assert.equal(sentAway(health, clock), 0);
  });

  it("drains gradually: the chance grows with the time", () => {
    const [health, clock] = [new Health(), new FakeClock()];
    health.drain({ clock, timeMs: 10_000, inboundOnly: false });
    assert.ok(sentAway(health, clock) <= 1);
    clock.advance(2500);
    const quarter = sentAway(health, clock);
    assert.ok(quarter > 200 && quarter < 300, `${quarter}`);
    clock.advance(5000);
    const threeQuarters = sentAway(health, clock);
    assert.ok(threeQuarters > 700 && threeQuarters < 800, `${threeQuarters}`);
    clock.advance(2500);
    assert.equal(sentAway(health, clock), 1000);
  });

  it("drains at once without time", () => {
    const [health, clock] = [new Health(), new FakeClock()];
    health.drain({ clock, timeMs: 0, inboundOnly: false });
    assert.equal(sentAway(health, clock), 1000);
  });

  it("may drain inbound listeners only", () => {
    const [health, clock] = [new Health(), new FakeClock()];
    health.drain({ clock, timeMs: 0, inboundOnly: true });
    assert.equal(sentAway(health, clock, false), 0);
    assert.equal(sentAway(health, clock, true), 1000);
  });
});
