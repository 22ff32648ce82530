import assert from "node:assert/strict";
import { test } from "node:test";
import { host } from "../../../testkit/hosts.ts";
import { distribution, emptyRuntime, pickerSuite } from "../../../testkit/picker-suite.ts";
import { leastRequest } from "./least-request.ts";

const factory = leastRequest;
pickerSuite(factory);

test("of two drawn hosts the less busy one is picked", () => {
  const hosts = [host(1), host(2)];
  if (hosts[0] !== undefined) hosts[0].requestsActive = 5;
  // The busy one is picked only when it is drawn twice: one in four.
  const [busy = 0] = distribution({ factory, hosts, picks: 10_000 });
  assert.ok(busy > 2300 && busy < 2700, `${busy} of 10000`);
});

test("choice_count draws more", () => {
  const hosts = [host(1), host(2)];
  if (hosts[0] !== undefined) hosts[0].requestsActive = 5;
  const [busy = 0] = distribution({ factory, hosts, picks: 16_000, config: { choiceCount: 4 } });
  // One in sixteen.
  assert.ok(busy > 850 && busy < 1150, `${busy} of 16000`);
});

test("a full scan always finds the least busy host and shares ties", () => {
  const hosts = [host(1), host(2), host(3)];
  if (hosts[1] !== undefined) hosts[1].requestsActive = 1;
  const config = { selectionMethod: "FULL_SCAN" } as const;
  const [first = 0, busy, last = 0] = distribution({ factory, hosts, picks: 10_000, config });
  assert.equal(busy, 0);
  assert.ok(Math.abs(first - last) < 400, `${first} and ${last}`);
});

test("unequal weights without load are shared by weight", () => {
  const hosts = [host(1, { weight: 3 }), host(2)];
  assert.deepEqual(distribution({ factory, hosts, picks: 16 }), [12, 4]);
});

test("unequal weights give a busy host less", () => {
  const hosts = [host(1, { weight: 2 }), host(2)];
  if (hosts[0] !== undefined) hosts[0].requestsActive = 3;
  // 2 / (3 + 1) against 1: one to two. The first turns still have the old deadline in them.
  const [busy = 0] = distribution({ factory, hosts, picks: 3000 });
  assert.ok(Math.abs(busy - 1000) <= 2, `${busy} of 3000`);
});

test("active_request_bias 0 is plain weighted round robin, and the runtime overrides it", () => {
  const loaded = (): ReturnType<typeof host>[] => {
    const busy = host(1, { weight: 3 });
    busy.requestsActive = 10;
    return [busy, host(2)];
  };
  const config = { activeRequestBias: { defaultValue: 0, runtimeKey: "bias" } };
  assert.deepEqual(distribution({ factory, hosts: loaded(), picks: 16, config }), [12, 4]);
  const runtime = { ...emptyRuntime, number: () => 1 };
  const [busy = 0] = distribution({ factory, hosts: loaded(), picks: 1600, config, runtime });
  assert.ok(busy < 400, `${busy} of 1600`);
});
