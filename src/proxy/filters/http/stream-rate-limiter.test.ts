import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { Timers } from "#lib/timers.ts";
import { TokenBucket } from "#lib/token-bucket.ts";
import { FakeClock } from "../../../../testkit/fake-clock.ts";
import type { HttpStream } from "./filter.ts";
import { StreamRateLimiter } from "./stream-rate-limiter.ts";

/** 100 bytes a second, of which 10 are there at first; asked every 100 ms. */
function setup(bufferLimit = 1000) {
  const clock = new FakeClock();
  const log: string[] = [];
  const stream: Partial<HttpStream> = {
    bufferLimit,
    pauseResponse: () => log.push("pause"),
    unpauseResponse: () => log.push("go on"),
    injectResponseData: (_from, chunk, end) =>
      log.push(`${Buffer.from(chunk).toString()}${end ? " end" : ""}`),
    injectResponseTrailers: () => log.push("trailers"),
  };
  const interval = new Timers(clock).of(100);
  assert.ok(interval !== undefined);
  const options = { tokensMax: 100, tokensPerFill: 100, fillIntervalMs: 1000, tokensAtStart: 10 };
  const limiter = new StreamRateLimiter({
    // Proof: the limiter of a response uses nothing else of it.
    stream: stream as HttpStream,
    filter: {},
    direction: "response",
    bucket: new TokenBucket(clock, options),
    interval,
  });
  return { clock, log, limiter };
}

describe("StreamRateLimiter", () => {
  it("lets pass what the bucket covers, end and trailers included", () => {
    const { log, limiter } = setup();
    assert.equal(limiter.data(Buffer.from("abc"), false), "continue");
    assert.equal(limiter.data(Buffer.from("d"), true), "continue");
    assert.equal(limiter.trailers(new HeaderList()), "continue");
    assert.deepEqual(log, []);
  });

  it("keeps the rest, and lets it go as tokens come", () => {
    const { clock, log, limiter } = setup();
    assert.equal(limiter.data(Buffer.from("0123456789abcdefghijKLMNO"), true), "consume");
    assert.deepEqual(log, ["0123456789"]);
    clock.advance(100);
    assert.deepEqual(log, ["0123456789", "abcdefghij"]);
    clock.advance(100);
    assert.deepEqual(log, ["0123456789", "abcdefghij", "KLMNO end"]);
    clock.advance(1000);
    assert.equal(log.length, 3);
  });

  it("does not let later bytes, an empty end or trailers overtake", () => {
    const { clock, log, limiter } = setup();
    limiter.data(Buffer.from("0123456789a"), false);
    assert.equal(limiter.data(Buffer.from("b"), false), "consume");
    assert.equal(limiter.data(Buffer.alloc(0), false), "consume");
    assert.equal(limiter.trailers(new HeaderList()), "consume");
    clock.advance(100);
    assert.deepEqual(log, ["0123456789", "ab", "trailers"]);
  });

  it("an end without bytes ends what waits", () => {
    const { clock, log, limiter } = setup();
    limiter.data(Buffer.from("0123456789a"), false);
    limiter.data(Buffer.alloc(0), true);
    clock.advance(100);
    assert.deepEqual(log, ["0123456789", "a end"]);
  });

  it("holds the sender back above the buffer limit, until half of it is left", () => {
    const { clock, log, limiter } = setup(20);
    limiter.data(Buffer.from("0123456789"), false);
    limiter.data(Buffer.from("x".repeat(20)), false);
    assert.deepEqual(log, []);
    limiter.data(Buffer.from("y"), false);
    limiter.data(Buffer.from("y"), false);
    assert.deepEqual(log, ["pause"]);
    clock.advance(100);
    assert.deepEqual(log, ["pause", "x".repeat(10)]);
    clock.advance(100);
    assert.deepEqual(log, ["pause", "x".repeat(10), "x".repeat(10), "go on"]);
  });

  it("forgets all when its stream is over, and frees the sender", () => {
    const { clock, log, limiter } = setup(5);
    limiter.data(Buffer.from("0123456789abcdefgh"), false);
    assert.deepEqual(log, ["pause", "0123456789"]);
    limiter.destroy();
    assert.deepEqual(log, ["pause", "0123456789", "go on"]);
    clock.advance(1000);
    assert.equal(log.length, 3);
  });
});
