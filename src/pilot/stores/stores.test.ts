import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { systemClock } from "#lib/clock.ts";
import { readObjects } from "#model/documents.ts";
import { describeConfigStore } from "../../../testkit/config-store-suite.ts";
import { MemoryStore } from "./memory/memory-store.ts";
import { withText } from "./sqlite/saved-object.ts";
import { SqliteStore, StateFileError } from "./sqlite/sqlite-store.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-store-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => join(folder, `${++files}.db`);

describeConfigStore("memory", (options) => new MemoryStore(options));
describeConfigStore("sqlite", (options) => new SqliteStore({ ...options, file: newFile() }));

const text = `apiVersion: v1
kind: ConfigMap
metadata: {name: first}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second}
data:
  a: b
`;

test("a sqlite store has its objects, history and lines again after a restart", () => {
  const file = newFile();
  const store = new SqliteStore({ clock: systemClock, file });
  const { objects } = readObjects("maps.yaml", text);
  store.change({
    author: "ann",
    message: "apply",
    set: objects.map((object) => ({ object: withText(object, text) })),
  });
  store.change({ author: "bob", message: "delete", remove: [{ key: "ConfigMap/default/first" }] });
  store.close();
  const again = new SqliteStore({ clock: systemClock, file });
  assert.equal(again.revision, 2);
  assert.equal(again.get("ConfigMap/default/first"), undefined);
  const second = again.get("ConfigMap/default/second");
  assert.equal(second?.source?.name, "maps.yaml");
  assert.deepEqual(second?.source?.positionOf(["data", "a"]), { line: 9, column: 6 });
  assert.deepEqual(
    again.history(5).map(({ author, message }) => [author, message]),
    [
      ["bob", "delete"],
      ["ann", "apply"],
    ],
  );
  assert.notEqual(again.revisionAt(2)?.changes[0]?.before, undefined);
  again.close();
});

test("texts go with the last revision that came from them", () => {
  const file = newFile();
  const store = new SqliteStore({ clock: systemClock, file, revisionsMax: 10 });
  for (let number = 1; number <= 100; number++) {
    const changed = text.replace("a: b", `a: "${number}"`);
    const { objects } = readObjects("maps.yaml", changed);
    const set = objects.map((object) => ({ object: withText(object, changed) }));
    store.change({ author: "ann", message: "apply", set });
  }
  store.close();
  const database = new DatabaseSync(file);
  const row = database.prepare("SELECT count(*) AS count FROM texts").get();
  database.close();
  // Ten revisions with what was before the first of them, and the text that the other object has had since the begin.
  assert.equal(row?.["count"], 12);
  const again = new SqliteStore({ clock: systemClock, file });
  assert.deepEqual(again.get("ConfigMap/default/first")?.source?.positionOf([]).line, 1);
  again.close();
});

test("a state file of another program, or of a later Heddle, is refused and left as it is", () => {
  const garbage = newFile();
  writeFileSync(garbage, "not a database, but long enough to be looked at as one".repeat(20));
  assert.throws(
    () => new SqliteStore({ clock: systemClock, file: garbage }),
    (error: unknown) => error instanceof StateFileError && error.message.includes(garbage),
  );
});
