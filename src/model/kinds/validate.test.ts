import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { JsonValue } from "@bufbuild/protobuf";
import { readSources } from "#config/source-text.ts";
import { readObjectValue } from "../documents.ts";
import { apiVersionOf, kindNamed } from "../kinds.ts";

const folder = join(import.meta.dirname, "testdata");

/** What is found of a spec, a line each. */
function foundOf(kindName: string, spec: JsonValue): readonly string[] {
  const kind = kindNamed(kindName);
  assert.ok(kind, kindName);
  const value = { apiVersion: apiVersionOf(kind), kind: kindName, metadata: { name: "a" }, spec };
  const { problems, warnings } = readObjectValue("a", value);
  return [
    ...problems.map(({ path, message }) => `problem ${path}: ${message}`),
    ...warnings.map(({ path, message }) => `warning ${path}: ${message}`),
  ];
}

for (const file of readdirSync(folder).filter((name) => name.endsWith(".cases.yaml"))) {
  const kind = file.replace(".cases.yaml", "");
  test(`${kind}: what is found of each case`, (t) => {
    const [source] = readSources(file, readFileSync(join(folder, file), "utf8"));
    assert.deepEqual(source?.unreadable, []);
    const cases = Object.entries(Object(source?.value) as Record<string, JsonValue>);
    const texts = cases.map(([sentence, spec]) => {
      const found = foundOf(kind, spec);
      const problems = found.filter((line) => line.startsWith("problem"));
      // An EnvoyFilter is always warned of.
      if (sentence.startsWith("good")) assert.deepEqual(problems, [], sentence);
      else assert.notDeepEqual(found, [], sentence);
      return [sentence, ...found.map((line) => `  ${line}`)].join("\n");
    });
    t.assert.fileSnapshot(`${texts.join("\n")}\n`, join(folder, `${kind}.found.txt`), {
      serializers: [String],
    });
  });
}
