import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "#lib/config-error.ts";
import { FakeClock } from "../../../../../testkit/fake-clock.ts";
import { fakeServices } from "../../../../../testkit/fake-services.ts";
import { factory } from "./config.ts";
import { SuccessWindow } from "./success-window.ts";

test("a window forgets by the second", () => {
  const clock = new FakeClock();
  const window = new SuccessWindow(clock, 3);
  for (const success of [true, false, true, false, false]) {
    window.record(success);
    clock.advance(500);
  }
  assert.deepEqual([window.requests, window.successes], [5, 2]);
  clock.advance(499);
  window.forget();
  assert.deepEqual([window.requests, window.successes], [5, 2]);
  clock.advance(1);
  window.forget();
  assert.deepEqual([window.requests, window.successes], [3, 1]);
  clock.advance(10_000);
  window.forget();
  assert.deepEqual([window.requests, window.successes], [0, 0]);
});

test("the average rate is that of the whole window, rounded down", () => {
  const clock = new FakeClock();
  const window = new SuccessWindow(clock, 2);
  assert.equal(window.averageRps, 0);
  for (let i = 0; i < 7; i++) window.record(true);
  assert.equal(window.averageRps, 3);
  clock.advance(3500);
  // Nobody asked meanwhile: the oldest second counts until somebody does.
  assert.equal(window.averageRps, 2);
  window.forget();
  assert.equal(window.averageRps, 0);
});

test("what makes no sense is refused", () => {
  const services = fakeServices();
  const compile = (config: object): unknown =>
    factory.compile(
      { successCriteria: {}, ...config },
      {
        services,
        scope: services.stats,
        filterName: "a",
      },
    );
  const refuses = (config: object, reason: RegExp): void => {
    assert.throws(
      () => compile(config),
      (error) => error instanceof ConfigError && reason.test(error.message),
    );
  };
  const codes = (start: number, end: number) => ({
    successCriteria: { httpCriteria: { httpSuccessStatus: [{ start, end }] } },
  });
  refuses(codes(99, 200), /invalid HTTP range: \[99, 200\)/);
  refuses(codes(200, 601), /invalid HTTP range/);
  refuses(
    { successCriteria: { grpcCriteria: { grpcSuccessStatus: [17] } } },
    /invalid gRPC code 17/,
  );
  refuses({ srThreshold: { defaultValue: { value: 0.9 } } }, /less than 1\.0%/);
  refuses({ samplingWindow: "soon" }, /sampling_window/);
  assert.doesNotThrow(() => compile({ srThreshold: { defaultValue: { value: 1 } } }));
});
