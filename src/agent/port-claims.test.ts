import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { PortClaims } from "./port-claims.ts";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "heddle-ports-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("one key's ports are distinct, and the same ones come back after a release", async (t) => {
  const folder = folderOf(t);
  const claims = new PortClaims(folder, process.pid);
  // A name of its own, so that no other process's claims are near.
  const key = folder;
  const first = await claims.claim(key);
  const second = await claims.claim(key);
  assert.notEqual(first, second);
  assert.equal(readdirSync(folder).length, 2);
  claims.release();
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(await new PortClaims(folder, process.pid).claim(key), first);
});

test("a port in use is passed over", async (t) => {
  const folder = folderOf(t);
  const claims = new PortClaims(folder, process.pid);
  const port = await claims.claim(folder);
  claims.release();
  const server = createServer().listen(port, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  assert.notEqual(await claims.claim(folder), port);
});

test("the claim of a process that is gone counts no more, another's does", async (t) => {
  const folder = folderOf(t);
  const claims = new PortClaims(folder, process.pid);
  const port = await claims.claim(folder);
  claims.release();
  // No process has an id above the kernel's limit of 2^22.
  writeFileSync(join(folder, String(port)), "4194999");
  assert.equal(await claims.claim(folder), port);
  claims.release();
  writeFileSync(join(folder, String(port)), String(process.ppid));
  assert.notEqual(await claims.claim(folder), port);
});
