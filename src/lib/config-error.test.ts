import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError, compileEach, refuse, within } from "./config-error.ts";

function problemsOf(work: () => unknown): readonly { path: string; message: string }[] {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  throw new Error("nothing was refused");
}

describe("ConfigError", () => {
  it("says where and what, a line for each problem", () => {
    const error = new ConfigError([
      { path: "a.b", message: "bad" },
      { path: "", message: "worse" },
    ]);
    assert.equal(error.message, "a.b: bad\nworse");
  });

  it("gets its parents' paths on the way out", () => {
    const problems = problemsOf(() =>
      within("listeners[0]", () =>
        within("", () =>
          within("filter", () => {
            throw refuse("name", "missing");
          }),
        ),
      ),
    );
    assert.deepEqual(problems, [{ path: "listeners[0].filter.name", message: "missing" }]);
  });

  it("has no dot before an index or behind nothing", () => {
    assert.deepEqual(
      problemsOf(() =>
        within("a", () => {
          throw refuse("[1]", "x");
        }),
      ),
      [{ path: "a[1]", message: "x" }],
    );
    assert.deepEqual(
      problemsOf(() =>
        within("a", () => {
          throw refuse("", "x");
        }),
      ),
      [{ path: "a", message: "x" }],
    );
  });

  it("lets bugs pass as they are", () => {
    assert.throws(
      () =>
        within("a", () => {
          throw new TypeError("bug");
        }),
      TypeError,
    );
    assert.throws(
      () =>
        compileEach("a", [1], () => {
          throw new TypeError("bug");
        }),
      TypeError,
    );
  });

  it("collects the problems of all items", () => {
    const compile = (item: number): number => {
      if (item < 0) throw refuse("value", `${item} is negative`);
      return item * 2;
    };
    assert.deepEqual(compileEach("items", [1, 2], compile), [2, 4]);
    assert.deepEqual(compileEach("items", undefined, compile), []);
    assert.deepEqual(
      problemsOf(() => compileEach("items", [-1, 2, -3], compile)),
      [
        { path: "items[0].value", message: "-1 is negative" },
        { path: "items[2].value", message: "-3 is negative" },
      ],
    );
  });
});
