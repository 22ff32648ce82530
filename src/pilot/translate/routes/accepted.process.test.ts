/** Real Envoy and Heddle's proxy take every golden case. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { envoyProblem, heddleProblem } from "../../../../testkit/envoy-validate.ts";
import { viewOfCase } from "../../../../testkit/view-cases.ts";
import { generateRoutes } from "./generate.ts";

const testdata = join(import.meta.dirname, "testdata");

for (const file of readdirSync(testdata).filter((name) => name.endsWith(".in.yaml"))) {
  test(`both proxies take ${file}`, async () => {
    const view = viewOfCase(readFileSync(join(testdata, file), "utf8"));
    const generated = { routes: generateRoutes(view, "all") };
    const [envoy, heddle] = await Promise.all([envoyProblem(generated), heddleProblem(generated)]);
    assert.equal(envoy, undefined);
    assert.equal(heddle, undefined);
  });
}
