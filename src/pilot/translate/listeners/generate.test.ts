import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { viewOfCase } from "../../../../testkit/view-cases.ts";
import { generateListeners, listenerProblems } from "./generate.ts";

const folder = join(import.meta.dirname, "testdata");

for (const file of readdirSync(folder).filter((name) => name.endsWith(".in.yaml"))) {
  const name = file.slice(0, -".in.yaml".length);
  test(`golden: ${name}`, (t) => {
    const view = viewOfCase(readFileSync(join(folder, file), "utf8"));
    const golden = { listeners: generateListeners(view), problems: listenerProblems(view) };
    t.assert.fileSnapshot(golden, join(folder, `${name}.out.yaml`), {
      serializers: [(value) => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })],
    });
  });
}

test("views of one scope share the listeners towards others", () => {
  const yaml = readFileSync(join(folder, "bookinfo-sidecar.in.yaml"), "utf8");
  const view = viewOfCase(yaml);
  const [own] = generateListeners(view);
  const other = { ...view, node: { ...view.node, ipAddresses: ["10.0.0.9"] }, targets: [] };
  const [others] = generateListeners(other);
  assert.ok(own);
  assert.equal(own, others);
  assert.equal(generateListeners(view), generateListeners(view));
});
