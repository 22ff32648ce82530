/** Real Envoy and Heddle's proxy take every golden case. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { envoyProblem, heddleProblem } from "../../../../testkit/envoy-validate.ts";
import { Authority } from "../../../../testkit/pki.ts";
import { viewOfCase } from "../../../../testkit/view-cases.ts";
import { generateClusters } from "../clusters/generate.ts";
import { generateListeners } from "./generate.ts";

const testdata = join(import.meta.dirname, "testdata");
const certificates = mkdtempSync(join(tmpdir(), "heddle-listeners-"));

/** Those that the cases name are read by Envoy. */
before(async () => {
  const { certificate, key } = await (await Authority.create()).issue();
  writeFileSync(join(certificates, "tls.crt"), certificate);
  writeFileSync(join(certificates, "tls.key"), key);
});
after(() => rmSync(certificates, { recursive: true, force: true }));

for (const file of readdirSync(testdata).filter((name) => name.endsWith(".in.yaml"))) {
  test(`Envoy and Heddle take ${file}`, async () => {
    const yaml = readFileSync(join(testdata, file), "utf8").replaceAll("/etc/certs", certificates);
    const view = viewOfCase(yaml);
    const generated = { clusters: generateClusters(view), listeners: generateListeners(view) };
    const problems = await Promise.all([envoyProblem(generated), heddleProblem(generated)]);
    assert.deepEqual(problems, [undefined, undefined]);
  });
}
