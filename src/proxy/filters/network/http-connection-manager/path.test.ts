import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compilePathPolicy } from "./path.ts";
import type { PathOutcome } from "./settings.ts";

type Policy = Parameters<typeof compilePathPolicy>[0];

/** What Envoy 1.40 made of each path under each policy: the path the upstream saw, `-> location` or `400`. */
const table = JSON.parse(
  readFileSync(new URL("./testdata/paths.json", import.meta.url), "utf8"),
) as { policies: Policy[]; rows: string[][] };

const runtime = {
  number: (_: string, absent: number) => absent,
  boolean: (_: string, absent: boolean) => absent,
  featureEnabled: () => false,
};

function shown(outcome: PathOutcome): string {
  if ("path" in outcome) return outcome.path;
  return "redirect" in outcome ? `-> ${outcome.redirect}` : "400";
}

for (const [index, policy] of table.policies.entries()) {
  test(`paths are those of Envoy under ${JSON.stringify(policy)}`, () => {
    const apply = compilePathPolicy(policy, { runtime });
    for (const [path = "", ...expected] of table.rows) {
      assert.equal(shown(apply(path)), expected[index], path);
    }
  });
}

test("a rejected path names its reason", () => {
  const apply = compilePathPolicy({ normalizePath: true }, { runtime });
  assert.deepEqual(apply("/a%00"), { reject: true });
});

test("the runtime may turn normalisation on where the configuration is silent", () => {
  const on = { ...runtime, boolean: () => true };
  assert.deepEqual(compilePathPolicy({}, { runtime: on })("/a/../b"), { path: "/b" });
  assert.deepEqual(compilePathPolicy({ normalizePath: false }, { runtime: on })("/a/../b"), {
    path: "/a/../b",
  });
});

test("an unknown action for escaped slashes is refused", () => {
  const policy = JSON.parse('{"pathWithEscapedSlashesAction":"GUESS"}') as Policy;
  assert.throws(() => compilePathPolicy(policy, { runtime }), /escaped_slashes_action/);
});
