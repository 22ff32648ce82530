import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConfigObject, objectKey } from "#model/object.ts";
import { reversal } from "#pilot/stores/object-table.ts";
import {
  type ConfigStore,
  ConflictError,
  type Revision,
  StoreLimitError,
} from "#pilot/stores/store.ts";
import { FakeClock } from "./fake-clock.ts";

export function configMap(name: string, data: string): ConfigObject {
  const metadata = {
    name,
    namespace: "default",
    labels: {},
    annotations: {},
    creationMs: 0,
    resourceVersion: "",
  };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, spec: { data: { value: data } } };
}

const who = { author: "ann", message: "test" };
const key = (name: string): string => `ConfigMap/default/${name}`;

interface Limits {
  readonly objectsMax?: number;
  readonly revisionsMax?: number;
}

export type OpenStore = (options: Limits & { readonly clock: FakeClock }) => ConfigStore;

type Case = (open: (limits?: Limits) => ConfigStore) => void;

const cases: Readonly<Record<string, Case>> = {
  "keeps what it is given, each change a revision": (open) => {
    const store = open();
    const first = store.change({
      ...who,
      set: [{ object: configMap("a", "1") }, { object: configMap("b", "1") }],
    });
    assert.equal(first.number, 1);
    assert.deepEqual(
      first.changes.map((change) => change.key),
      [key("a"), key("b")],
    );
    const second = store.change({ ...who, set: [{ object: configMap("a", "2") }] });
    assert.equal(second.number, 2);
    assert.equal(store.revision, 2);
    assert.deepEqual(store.get(key("a"))?.spec, { data: { value: "2" } });
    assert.equal(store.get(key("a"))?.metadata.generation, 2);
    assert.deepEqual(store.list().map(objectKey).sort(), [key("a"), key("b")]);
    assert.deepEqual(
      store.history(10).map(({ number, author }) => [number, author]),
      [
        [2, "ann"],
        [1, "ann"],
      ],
    );
    assert.deepEqual(store.revisionAt(2)?.changes[0]?.before?.spec, { data: { value: "1" } });
    store.close();
  },
  "leaves alone what is the same": (open) => {
    const store = open();
    store.change({ ...who, set: [{ object: configMap("a", "1") }] });
    const again = store.change({ ...who, set: [{ object: configMap("a", "1") }] });
    assert.deepEqual(again.changes, []);
    assert.equal(store.revision, 1);
    store.close();
  },
  "plans without a change": (open) => {
    const store = open();
    const plan = store.change({ ...who, dryRun: true, set: [{ object: configMap("a", "1") }] });
    assert.equal(plan.changes.length, 1);
    assert.equal(store.revision, 0);
    assert.deepEqual(store.list(), []);
    store.close();
  },
  "refuses what somebody else has changed, whole": (open) => {
    const store = open();
    store.change({ ...who, set: [{ object: configMap("a", "1") }] });
    const conflict = (expected: string) => () =>
      store.change({
        ...who,
        set: [{ object: configMap("b", "1") }, { object: configMap("a", "2"), expected }],
      });
    assert.throws(
      conflict("7"),
      (error: unknown) => error instanceof ConflictError && error.reason === "changed",
    );
    assert.throws(
      conflict(""),
      (error: unknown) => error instanceof ConflictError && error.reason === "exists",
    );
    assert.throws(
      () => store.change({ ...who, remove: [{ key: key("x") }] }),
      (error: unknown) => error instanceof ConflictError && error.reason === "missing",
    );
    assert.equal(store.revision, 1);
    assert.equal(store.get(key("b")), undefined);
    assert.equal(
      store.change({ ...who, set: [{ object: configMap("a", "2"), expected: "1" }] }).number,
      2,
    );
    store.close();
  },
  "tells each change once, in order, until nobody listens": (open) => {
    const store = open();
    const heard: Revision[] = [];
    const end = store.watch((revision) => heard.push(revision));
    store.change({ ...who, set: [{ object: configMap("a", "1") }] });
    store.change({ ...who, remove: [{ key: key("a") }] });
    end();
    store.change({ ...who, set: [{ object: configMap("a", "1") }] });
    assert.deepEqual(
      heard.map(({ number }) => number),
      [1, 2],
    );
    assert.equal(heard[1]?.changes[0]?.after, undefined);
    store.close();
  },
  "takes a revision back, unless a later one is in the way": (open) => {
    const store = open();
    store.change({
      ...who,
      set: [{ object: configMap("a", "1") }, { object: configMap("b", "1") }],
    });
    const second = store.change({
      ...who,
      set: [{ object: configMap("a", "2") }],
      remove: [{ key: key("b") }],
    });
    store.change({ ...who, ...reversal(second.changes, (one) => store.get(one)) });
    assert.deepEqual(store.get(key("a"))?.spec, { data: { value: "1" } });
    assert.notEqual(store.get(key("b")), undefined);
    assert.throws(
      () => reversal(second.changes, (one) => store.get(one)),
      (error: unknown) => error instanceof ConflictError && error.reason === "changed",
    );
    store.close();
  },
  "has limits": (open) => {
    const store = open({ objectsMax: 1, revisionsMax: 2 });
    assert.throws(
      () =>
        store.change({
          ...who,
          set: [{ object: configMap("a", "1") }, { object: configMap("b", "1") }],
        }),
      StoreLimitError,
    );
    for (const data of ["1", "2", "3"])
      store.change({ ...who, set: [{ object: configMap("a", data) }] });
    assert.deepEqual(
      store.history(10).map(({ number }) => number),
      [3, 2],
    );
    assert.deepEqual(store.get(key("a"))?.spec, { data: { value: "3" } });
    store.close();
  },
};

/** What every writable store does. */
export function describeConfigStore(name: string, open: OpenStore): void {
  describe(`a ${name} store`, () => {
    for (const [what, run] of Object.entries(cases))
      it(what, () => run((limits = {}) => open({ clock: new FakeClock(), ...limits })));
  });
}
