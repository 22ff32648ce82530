import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { viewOfCase } from "../../../../testkit/view-cases.ts";
import { generateRoutes } from "./generate.ts";
import { routeProblems } from "./problems.ts";

const folder = join(import.meta.dirname, "testdata");

for (const file of readdirSync(folder).filter((name) => name.endsWith(".in.yaml"))) {
  const name = file.slice(0, -".in.yaml".length);
  test(`golden: ${name}`, (t) => {
    const view = viewOfCase(readFileSync(join(folder, file), "utf8"));
    const golden = { routes: generateRoutes(view, "all"), problems: routeProblems(view) };
    t.assert.fileSnapshot(golden, join(folder, `${name}.out.yaml`), {
      serializers: [(value) => stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })],
    });
  });
}
