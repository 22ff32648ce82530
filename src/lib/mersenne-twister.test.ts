import assert from "node:assert/strict";
import { test } from "node:test";
import { MersenneTwister } from "./mersenne-twister.ts";

test("the C++ standard's check: the 10,000th number of the default seed", () => {
  const random = new MersenneTwister();
  random.seed(5489);
  for (let i = 1; i < 10_000; i++) random.next();
  assert.equal(random.next(), 4_123_659_995);
});

test("a seed begins the same sequence again", () => {
  const random = new MersenneTwister();
  random.seed(-1);
  const first = Array.from({ length: 700 }, () => random.next());
  random.seed(0xffffffff);
  assert.deepEqual(
    Array.from({ length: 700 }, () => random.next()),
    first,
  );
});
