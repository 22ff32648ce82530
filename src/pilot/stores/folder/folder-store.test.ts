import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { systemClock } from "#lib/clock.ts";
import { FakeClock } from "../../../../testkit/fake-clock.ts";
import { ReadOnlyStoreError, type Revision } from "../store.ts";
import { FolderStore } from "./folder-store.ts";

const map = (name: string, value = "1"): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {key: "${value}"}\n`;

function folderOf(context: TestContext, files: Readonly<Record<string, string>>) {
  const path = mkdtempSync(join(tmpdir(), "heddle-folder-"));
  const write = (name: string, text: string): void => writeFileSync(join(path, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const told: (readonly string[])[] = [];
  const store = new FolderStore({
    paths: [path],
    clock: new FakeClock(0),
    onProblems: (problems) => told.push(problems),
  });
  const revisions: Revision[] = [];
  store.watch((revision) => revisions.push(revision));
  context.after(() => {
    store.close();
    rmSync(path, { recursive: true });
  });
  store.start();
  const changes = (): readonly unknown[] =>
    revisions.at(-1)?.changes.map(({ key, before, after }) => [key, before && 1, after && 1]) ?? [];
  return { path, store, write, told, revisions, changes };
}

const [a, b] = ["ConfigMap/default/a", "ConfigMap/default/b"];

describe("FolderStore", () => {
  test("what files and folders in it hold is there from the start", (context) => {
    const { path, store, write } = folderOf(context, { "a.yaml": map("a"), "notes.txt": "no" });
    mkdirSync(join(path, "more"));
    mkdirSync(join(path, ".hidden"));
    write("more/b.yml", map("b"));
    write(".hidden/c.yaml", map("c"));
    store.rescan();
    assert.deepEqual(
      store.list().map(({ metadata }) => metadata.name),
      ["a", "b"],
    );
  });

  test("a file that is written again changes its objects, and those that stay the same are not touched", (context) => {
    const { store, write, changes } = folderOf(context, {
      "x.yaml": `${map("a")}---\n${map("b")}`,
    });
    const kept = store.get(a);
    write("x.yaml", `${map("a")}---\n${map("b", "2")}`);
    store.rescan();
    assert.deepEqual(changes(), [[b, 1, 1]]);
    assert.equal(store.get(a), kept);
    assert.equal(store.get(b)?.metadata.resourceVersion, "2");
    write("x.yaml", `# one line more\n${map("a")}`);
    store.rescan();
    assert.deepEqual(changes(), [
      [a, 1, 1],
      [b, 1, undefined],
    ]);
    assert.equal(store.get(a)?.source?.positionOf([]).line, 2);
  });

  test("a mistake in a file changes nothing of what it held, and is named; repaired, it counts", (context) => {
    const { store, write, told, revisions } = folderOf(context, {
      "x.yaml": `${map("a")}---\n${map("b")}`,
    });
    const held = store.list();
    write("x.yaml", `${map("a", "2")}---\n${map("b").replace("ConfigMap", "")}`);
    store.rescan();
    assert.deepEqual(store.list(), held);
    assert.equal(revisions.length, 1);
    assert.match(told.at(-1)?.[0] ?? "", /x\.yaml:7:\d+ .*kind/);
    assert.deepEqual(store.problems, told.at(-1));
    write("x.yaml", "{{{");
    store.rescan();
    assert.deepEqual(store.list(), held);
    write("x.yaml", map("a", "2"));
    store.rescan();
    assert.deepEqual(told.at(-1), []);
    assert.deepEqual(store.get(a)?.spec, { data: { key: "2" } });
  });

  test("with a mistake at the start the good objects count", (context) => {
    const { store } = folderOf(context, {
      "x.yaml": `${map("a")}---\n${map("b").replace("v1", "v9")}`,
    });
    assert.deepEqual(
      store.list().map(({ metadata }) => metadata.name),
      ["a"],
    );
    assert.equal(store.problems.length, 1);
  });

  test("a file that moves takes its objects along; one that goes takes them away", (context) => {
    const { path, store, changes } = folderOf(context, { "x.yaml": map("a") });
    renameSync(join(path, "x.yaml"), join(path, "y.yaml"));
    store.rescan();
    assert.deepEqual(changes(), [[a, 1, 1]]);
    rmSync(join(path, "y.yaml"));
    store.rescan();
    assert.deepEqual(changes(), [[a, 1, undefined]]);
  });

  test("of two files with the same object the first by name counts", (context) => {
    const { path, store, told } = folderOf(context, {
      "1.yaml": map("a", "1"),
      "2.yaml": map("a", "2"),
    });
    assert.deepEqual(store.get(a)?.spec, { data: { key: "1" } });
    assert.match(told[0]?.[0] ?? "", /2\.yaml:1:1 .*already in .*1\.yaml:1:1/);
    rmSync(join(path, "1.yaml"));
    store.rescan();
    assert.deepEqual(store.get(a)?.spec, { data: { key: "2" } });
  });

  test("it is not written to", (context) => {
    const { store } = folderOf(context, {});
    assert.throws(() => store.change({ author: "", message: "" }), ReadOnlyStoreError);
  });

  test("a folder that is not there is a problem, and none when it comes", (context) => {
    const path = join(mkdtempSync(join(tmpdir(), "heddle-folder-")), "later");
    const clock = new FakeClock(0);
    const store = new FolderStore({ paths: [path], clock, lookEveryMs: 1000 });
    context.after(() => store.close());
    store.start();
    assert.match(store.problems[0] ?? "", /later: cannot be read/);
    mkdirSync(path);
    writeFileSync(join(path, "a.yaml"), map("a"));
    clock.advance(1000);
    assert.deepEqual(store.problems, []);
    assert.equal(store.list().length, 1);
  });

  test("the system's signs are followed", async (context) => {
    const path = mkdtempSync(join(tmpdir(), "heddle-folder-"));
    const store = new FolderStore({ paths: [path], clock: systemClock, quietMs: 1 });
    context.after(() => {
      store.close();
      rmSync(path, { recursive: true });
    });
    const keepAlive = setInterval(() => undefined, 1000);
    context.after(() => clearInterval(keepAlive));
    store.start();
    const changed = Promise.withResolvers<Revision>();
    store.watch(changed.resolve);
    writeFileSync(join(path, ".new"), map("a"));
    renameSync(join(path, ".new"), join(path, "a.yaml"));
    const { changes } = await changed.promise;
    assert.deepEqual(
      changes.map(({ key }) => key),
      [a],
    );
  });
});
