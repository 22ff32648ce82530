import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import type { Incoming, Verdict } from "./incoming.ts";
import { Refusals } from "./refusals.ts";

const refused: Verdict = { problems: [{ name: "a", path: "", message: "no" }] };
const taken: Verdict = { problems: [] };

function answer(version: string, typeUrl = "type"): Incoming {
  return { typeUrl, version, resources: [], removed: [], complete: true, invalid: [] };
}

function fixture(): { clock: FakeClock; refusals: Refusals; said: string[] } {
  const clock = new FakeClock();
  const said: string[] = [];
  // The longest wait each time.
  const random = { ...seededRandom(1), unit: () => 1 };
  const refusals = new Refusals({ clock, random }, (typeUrl, { problems }) =>
    said.push(`${typeUrl} ${problems.length === 0 ? "taken" : "refused"}`),
  );
  return { clock, refusals, said };
}

test("the first refusal of a version is said at once, those after it later and later", () => {
  const { clock, refusals, said } = fixture();
  refusals.settle(answer("1"), refused);
  assert.equal(said.length, 1);
  for (const waitMs of [500, 1000, 2000, 2000]) {
    const before: number = said.length;
    refusals.settle(answer("1"), refused);
    clock.advance(waitMs - 1);
    assert.equal(said.length, before);
    clock.advance(1);
    assert.equal(said.length, before + 1);
  }
  refusals.settle(answer("2"), refused);
  refusals.settle(answer("3"), refused);
  assert.equal(said.length, 7);
  assert.equal(clock.waiting, 0);
});

test("what is taken is said at once, and forgives", () => {
  const { refusals, said } = fixture();
  refusals.settle(answer("1"), refused);
  refusals.settle(answer("1"), taken);
  refusals.settle(answer("1"), refused);
  assert.deepEqual(said, ["type refused", "type taken", "type refused"]);
});

test("another answer, or another interest, ends the wait", () => {
  const { clock, refusals, said } = fixture();
  for (const type of ["a", "b"]) {
    refusals.settle(answer("1", type), refused);
    refusals.settle(answer("1", type), refused);
  }
  assert.equal(said.length, 2);
  refusals.release("a");
  refusals.release("a");
  assert.deepEqual(said, ["a refused", "b refused", "a refused"]);
  refusals.releaseAll();
  assert.equal(said.length, 4);
  assert.equal(clock.waiting, 0);
});

test("answers without a version are not taken for the same one", () => {
  const { refusals, said } = fixture();
  for (let count = 0; count < 3; count++) refusals.settle(answer(""), refused);
  assert.equal(said.length, 3);
});

test("nothing is said after the end", () => {
  const { clock, refusals, said } = fixture();
  refusals.settle(answer("1"), refused);
  refusals.settle(answer("1"), refused);
  refusals.close();
  clock.advance(60_000);
  assert.equal(said.length, 1);
});
