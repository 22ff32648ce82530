import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteMatchJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { compilePathSpecifier } from "./match.ts";
import { type Indexed, PathIndex } from "./path-index.ts";

interface Counted {
  readonly index: PathIndex<Indexed>;
  /** Paths compared and other conditions asked so far. */
  asked: number;
}

function counted(matches: readonly RouteMatchJson[]): Counted {
  const routes = matches.map((match, order): Indexed => {
    const specifier = compilePathSpecifier(match);
    const matchesPath = (path: string): boolean => {
      self.asked++;
      return specifier.matches(path);
    };
    return { order, specifier: { ...specifier, matches: matchesPath } };
  });
  const self: Counted = { index: new PathIndex(routes), asked: 0 };
  return self;
}

function find(table: Counted, path: string): { order: number | undefined; asked: number } {
  table.asked = 0;
  const found = table.index.find(path, () => {
    table.asked++;
    return true;
  });
  return { order: found?.order, asked: table.asked };
}

const many = 10_000;
const numbers = Array.from({ length: many }, (_, index) => index);

const tables: readonly (readonly [
  name: string,
  match: (n: number) => RouteMatchJson,
  path: (n: number) => string,
])[] = [
  ["exact paths", (n) => ({ path: `/service-${n}/x` }), (n) => `/service-${n}/x`],
  ["prefixes", (n) => ({ prefix: `/service-${n}/` }), (n) => `/service-${n}/x/y`],
  ["separated prefixes", (n) => ({ pathSeparatedPrefix: `/s-${n}` }), (n) => `/s-${n}/x`],
  [
    "exact paths in any case",
    (n) => ({ path: `/Service-${n}`, caseSensitive: false }),
    (n) => `/sErVice-${n}`,
  ],
  [
    "prefixes in any case",
    (n) => ({ prefix: `/Service-${n}/`, caseSensitive: false }),
    (n) => `/sErVice-${n}/x`,
  ],
];

for (const [name, match, path] of tables) {
  test(`one of ${many} ${name} is looked up, not searched for`, () => {
    const table = counted([...numbers.map(match), { prefix: "/" }]);
    for (const n of [0, 1, 4999, 9998, 9999]) {
      const { order, asked } = find(table, path(n));
      assert.equal(order, n);
      // The route's own path and condition, the same of the prefix that every path has, and one for each prefix of other lengths.
      assert.ok(asked <= 8, `${asked} questions for route ${n}`);
    }
    const missed = find(table, "/nothing");
    assert.equal(missed.order, many);
    assert.ok(missed.asked <= 2, `${missed.asked} questions for no route of its own`);
  });
}

test("paths and prefixes mixed take few questions", () => {
  const table = counted(
    numbers.map((n) => (n % 2 === 0 ? { path: `/${n}` } : { prefix: `/${n}/` })),
  );
  assert.deepEqual(find(table, "/5000"), { order: 5000, asked: 2 });
  assert.deepEqual(find(table, "/5001/x"), { order: 5001, asked: 2 });
  assert.deepEqual(find(table, "/5000x"), { order: undefined, asked: 0 });
});

test("what cannot be looked up is asked only until a route that stands before it was found", () => {
  const table = counted([{ path: "/a" }, { safeRegex: { regex: "/.*" } }, { prefix: "/" }]);
  assert.deepEqual(find(table, "/a").order, 0);
  assert.deepEqual(find(table, "/b").order, 1);
});

test("the index finds what a scan of the list finds", () => {
  const random = seededRandom(7);
  const pieces = ["/", "/a", "/A", "/b", "/a/", "/ab", "/a/b", "/aB"];
  const pick = (): string => pieces[random.below(pieces.length)] ?? "";
  for (let round = 0; round < 500; round++) {
    const matches = Array.from({ length: random.below(12) }, (): RouteMatchJson => {
      const text = pick() + (random.below(2) === 0 ? "" : pick());
      const caseSensitive = random.below(3) > 0;
      const kind = random.below(4);
      if (kind === 0) return { path: text, caseSensitive };
      if (kind === 1) return { prefix: text, caseSensitive };
      if (kind === 2) return { safeRegex: { regex: `${text}.*` } };
      return { pathSeparatedPrefix: text.replace(/\/$/, "") || "/a", caseSensitive };
    });
    const refused = new Set(matches.map((_, order) => order).filter(() => random.below(4) === 0));
    const specifiers = matches.map(compilePathSpecifier);
    const index = new PathIndex(specifiers.map((specifier, order) => ({ order, specifier })));
    for (let i = 0; i < 10; i++) {
      const path = pick() + pick();
      const wanted = specifiers.findIndex((s, order) => s.matches(path) && !refused.has(order));
      const found = index.find(path, ({ order }) => !refused.has(order))?.order ?? -1;
      assert.equal(found, wanted, JSON.stringify({ path, matches, refused: [...refused] }));
    }
  }
});
