import assert from "node:assert/strict";
import { test } from "node:test";
import { host } from "../../../testkit/hosts.ts";
import { distribution, pickerSuite } from "../../../testkit/picker-suite.ts";
import { randomBalancer } from "./random.ts";

pickerSuite(randomBalancer);

test("weights do not count, as in Envoy", () => {
  const hosts = [host(1, { weight: 100 }), host(2)];
  const [heavy = 0] = distribution({ factory: randomBalancer, hosts, picks: 10_000 });
  assert.ok(heavy > 4700 && heavy < 5300, `${heavy} of 10000`);
});
