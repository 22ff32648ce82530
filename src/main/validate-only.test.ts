import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { refuse } from "#lib/config-error.ts";
import { validateOnly } from "./validate-only.ts";

const admin =
  "node: { id: a }\nadmin:\n  address: { socket_address: { address: 127.0.0.1, port_value: 0 } }\n";

function fileWith(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), "heddle-config-")), "envoy.yaml");
  writeFileSync(file, text);
  return file;
}

test("a good file is OK", async () => {
  const file = fileWith(admin);
  let seen: unknown;
  const result = await validateOnly({ file, yamlOverlay: "node: {cluster: c}" }, (bootstrap) => {
    seen = bootstrap.node;
  });
  assert.deepEqual(result, { exit: 0, stdout: `configuration '${file}' OK\n`, stderr: "" });
  assert.deepEqual(seen, { id: "a", cluster: "c" });
});

test("all problems of a bad file are printed", async () => {
  const file = fileWith("nod: {}\nadmin: 3\n");
  const { exit, stderr } = await validateOnly({ file }, () => {});
  assert.equal(exit, 1);
  const type = "envoy.config.bootstrap.v3.Bootstrap";
  assert.equal(
    stderr,
    `${file}:1:1: nod: unknown field of ${type}; did you mean "node"?\n${file}:2:8: admin: must be a map, not 3\n`,
  );
});

test("what a module refuses has its line too", async () => {
  const file = fileWith(admin);
  const { exit, stderr } = await validateOnly({ file }, () => {
    throw refuse("admin.address.socket_address.port_value", "is taken");
  });
  assert.equal(exit, 1);
  assert.equal(stderr, `${file}:3:64: admin.address.socket_address.port_value: is taken\n`);
});

test("a file that is not there", async () => {
  const { exit, stderr } = await validateOnly({ file: "absent.yaml" }, () => {});
  assert.equal(exit, 1);
  assert.match(stderr, /^absent\.yaml:1:1: cannot be read: ENOENT/);
});
