import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Change, Collection } from "./collection.ts";
import { Graph } from "./graph.ts";

interface Item {
  readonly key: string;
  readonly team: string;
  readonly factor: string;
  readonly size: number;
}

interface Product {
  readonly key: string;
  readonly team: string;
  readonly product: number;
}

const byKey = (a: { readonly key: string }, b: { readonly key: string }): number =>
  a.key < b.key ? -1 : 1;

/** Items, factors that items refer to, a derived product, its groups, a sum over all. */
function pipeline() {
  const graph = new Graph();
  const items = graph.source<Item>("items");
  const factors = graph.source<number>("factors");
  const computed: string[] = [];
  const products = graph.derive<Item, Product>({
    name: "products",
    from: items.collection,
    keyOf: ({ key }) => key,
    transform: (item, fetch) => {
      computed.push(item.key);
      const factor = fetch.get(factors.collection, item.factor);
      return factor === undefined
        ? []
        : [{ key: item.key, team: item.team, product: item.size * factor }];
    },
  });
  const teams = graph.group({
    name: "teams",
    from: products,
    keysOf: ({ team }) => [team, "all"],
    compare: byKey,
  });
  const total = graph.compute("total", (fetch) =>
    (fetch.get(teams, "all") ?? []).reduce((sum, { product }) => sum + product, 0),
  );
  return { graph, items, factors, products, teams, total, computed };
}

const contents = <T>(collection: Collection<T>): unknown =>
  Object.fromEntries([...collection.snapshot()].sort(([a], [b]) => (a < b ? -1 : 1)));

describe("Graph", () => {
  test("only what read a value is computed again", () => {
    const { graph, items, factors, computed, total } = pipeline();
    graph.transact(() => {
      factors.set("two", 2);
      factors.set("three", 3);
      items.set("a", { key: "a", team: "x", factor: "two", size: 1 });
      items.set("b", { key: "b", team: "x", factor: "three", size: 1 });
    });
    assert.equal(total.get(), 5);
    computed.length = 0;
    graph.transact(() => factors.set("two", 4));
    assert.deepEqual(computed, ["a"]);
    assert.equal(total.get(), 7);
  });

  test("an equal result is no change: who reads it is left alone, and it stays the same object", () => {
    const { graph, items, factors, products, teams } = pipeline();
    graph.transact(() => {
      factors.set("two", 2);
      items.set("a", { key: "a", team: "x", factor: "two", size: 0 });
    });
    const [product, team] = [products.get("a"), teams.get("x")];
    const heard: unknown[] = [];
    products.subscribe((batch) => heard.push(batch));
    graph.transact(() => factors.set("two", 3));
    assert.equal(products.get("a"), product);
    assert.equal(teams.get("x"), team);
    assert.deepEqual(heard, []);
  });

  test("subscribers hear once of a transaction, after everything is computed", () => {
    const { graph, items, factors, products, total } = pipeline();
    const heard: (readonly Change<Product>[])[] = [];
    const totals: number[] = [];
    const cancel = products.subscribe((batch) => {
      heard.push(batch);
      totals.push(total.get());
    });
    graph.transact(() => {
      factors.set("two", 2);
      items.set("a", { key: "a", team: "x", factor: "two", size: 1 });
      items.set("a", { key: "a", team: "x", factor: "two", size: 5 });
    });
    assert.deepEqual(heard, [
      [{ key: "a", before: undefined, after: { key: "a", team: "x", product: 10 } }],
    ]);
    assert.deepEqual(totals, [10]);
    cancel();
    graph.transact(() => items.delete("a"));
    assert.equal(heard.length, 1);
  });

  test("a snapshot never changes", () => {
    const { graph, items, factors, products } = pipeline();
    graph.transact(() => {
      factors.set("two", 2);
      items.set("a", { key: "a", team: "x", factor: "two", size: 1 });
    });
    const before = products.snapshot();
    graph.transact(() => items.delete("a"));
    assert.deepEqual([...before.keys()], ["a"]);
    assert.deepEqual([...products.snapshot().keys()], []);
  });

  test("an output may move from one input to another in one transaction", () => {
    const graph = new Graph();
    const source = graph.source<{ readonly owns: string }>("source");
    const derived = graph.derive({
      name: "owned",
      from: source.collection,
      keyOf: (owned: string) => owned,
      transform: ({ owns }) => [owns],
    });
    graph.transact(() => source.set("first", { owns: "x" }));
    graph.transact(() => {
      source.set("first", { owns: "y" });
      source.set("second", { owns: "x" });
    });
    assert.deepEqual([...derived.snapshot().keys()].sort(), ["x", "y"]);
  });

  test("a change outside of a transaction, and two inputs with one output, are mistakes", () => {
    const { graph, items } = pipeline();
    assert.throws(() => items.delete("a"), /outside of a transaction/);
    const twice = graph.derive({
      name: "twice",
      from: items.collection,
      keyOf: () => "same",
      transform: (item) => [item.key],
    });
    assert.equal(twice.list().length, 0);
    assert.throws(
      () =>
        graph.transact(() => {
          items.set("a", { key: "a", team: "", factor: "", size: 0 });
          items.set("b", { key: "b", team: "", factor: "", size: 0 });
        }),
      /twice: same comes from a and from b/,
    );
  });

  test("after any changes everything is as if computed from scratch", () => {
    const name = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({
        item: name,
        value: fc.option(fc.record({ team: name, factor: name, size: fc.nat(3) }), { nil: null }),
      }),
      fc.record({ factor: name, value: fc.option(fc.nat(3), { nil: null }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 12 }), (batches) => {
        const grown = pipeline();
        const items = new Map<string, Item>();
        const factors = new Map<string, number>();
        for (const batch of batches) {
          grown.graph.transact(() => {
            for (const change of batch) {
              if ("item" in change) {
                const { item: key, value } = change;
                if (value === null) {
                  grown.items.delete(key);
                  items.delete(key);
                } else {
                  grown.items.set(key, { key, ...value });
                  items.set(key, { key, ...value });
                }
              } else if (change.value === null) {
                grown.factors.delete(change.factor);
                factors.delete(change.factor);
              } else {
                grown.factors.set(change.factor, change.value);
                factors.set(change.factor, change.value);
              }
            }
          });
          const fresh = pipeline();
          fresh.graph.transact(() => {
            for (const [key, item] of items) fresh.items.set(key, item);
            for (const [key, factor] of factors) fresh.factors.set(key, factor);
          });
          assert.deepEqual(contents(grown.products), contents(fresh.products));
          assert.deepEqual(contents(grown.teams), contents(fresh.teams));
          assert.equal(grown.total.get(), fresh.total.get());
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});
