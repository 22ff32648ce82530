import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import {
  decodeSaved,
  encodeSaved,
  SavedFile,
  type SavedFileOptions,
  type SavedTypes,
} from "./saved.ts";

const typeUrl = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const types: SavedTypes = new Map([
  [typeUrl, [{ name: "a", version: "1", bytes: Buffer.from([10, 1, 97]) }]],
]);

test("what is written is read again", () => {
  assert.deepEqual(decodeSaved("node", encodeSaved("node", types)), { types });
});

test("what is of no use is refused, with its reason", () => {
  const text = encodeSaved("node", types);
  const reason = (node: string, changed: string): string => {
    const decoded = decodeSaved(node, changed);
    return "reason" in decoded ? decoded.reason : "";
  };
  assert.equal(reason("other", text), "it was saved for the node 'node'");
  assert.equal(reason("node", text.replace('"a"', '"b"')), "it is damaged");
  assert.equal(reason("node", text.slice(0, -10)), "it is damaged");
  assert.equal(reason("node", ""), "it is no file of saved resources");
  assert.equal(reason("node", "null\nnull"), "it is no file of saved resources");
  assert.equal(reason("node", "something else\n"), "it is no file of saved resources");
  const newer = text.replace('"version":1,"node"', '"version":2,"node"');
  assert.equal(reason("node", newer), "its format is 2, and 1 is known");
});

interface Fixture {
  readonly path: string;
  readonly clock: FakeClock;
  readonly messages: string[];
  readonly file: SavedFile;
}

function fixture(t: TestContext, changes: Partial<SavedFileOptions> = {}): Fixture {
  const folder = mkdtempSync(join(tmpdir(), "heddle-saved-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "below", "ads.saved");
  const clock = new FakeClock();
  const messages: string[] = [];
  const log: SavedFileOptions["log"] = (level, message) => messages.push(`${level} ${message}`);
  const options = { path, node: "node", clock, log, current: () => types, ...changes };
  return { path, clock, messages, file: new SavedFile(options) };
}

test("a change is written when it has been quiet for a second, and after ten at most", async (t) => {
  let writes = 0;
  const { clock, file, path } = fixture(t, {
    current: () => {
      writes++;
      return types;
    },
  });
  file.changed();
  clock.advance(999);
  file.changed();
  clock.advance(999);
  assert.equal(clock.waiting, 1);
  assert.equal(writes, 0);
  clock.advance(1);
  await file.flush();
  assert.equal(writes, 1);
  assert.deepEqual(await file.read(), types);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(existsSync(`${path}.part`), false);
  for (let at = 0; at < 9500; at += 500) {
    file.changed();
    clock.advance(500);
  }
  file.changed();
  clock.advance(499);
  assert.equal(clock.waiting, 1);
  clock.advance(1);
  assert.equal(clock.waiting, 0);
  await file.flush();
  assert.equal(writes, 2);
});

test("too much is not written, what was there stays, and it is said once", async (t) => {
  let current = types;
  const { file, path, messages } = fixture(t, { bytesMax: 1000, current: () => current });
  file.changed();
  await file.flush();
  const before = readFileSync(path, "utf8");
  current = new Map([[typeUrl, [{ name: "a", version: "1", bytes: Buffer.alloc(1000) }]]]);
  for (let time = 0; time < 2; time++) {
    file.changed();
    await file.flush();
  }
  assert.equal(readFileSync(path, "utf8"), before);
  const message = `xds: ${path} cannot be written: the resources have more than 1000 bytes`;
  assert.deepEqual(messages, [`warn ${message}`, `debug ${message}`]);
});

test("a file that is not there is nothing; one that is damaged is a warning", async (t) => {
  const { file, path, messages } = fixture(t);
  assert.equal(await file.read(), undefined);
  assert.deepEqual(messages, []);
  file.changed();
  await file.flush();
  writeFileSync(path, readFileSync(path, "utf8").replace("CgFh", "CgFi"));
  assert.equal(await file.read(), undefined);
  assert.deepEqual(messages, [`warn xds: ${path} is not used: it is damaged`]);
});
