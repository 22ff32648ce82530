import assert from "node:assert/strict";
import { test } from "node:test";
import type { StatsConfigJson } from "#gen/envoy/config/metrics/v3/stats_pb.js";
import { ConfigError } from "#lib/config-error.ts";
import { compileStatsConfig } from "./stats-config.ts";

test("stats_matcher takes what is included, or all but what is excluded, or nothing", () => {
  const accepts = (statsMatcher: StatsConfigJson["statsMatcher"]) =>
    compileStatsConfig(statsMatcher === undefined ? {} : { statsMatcher }).accepts;
  assert.equal(accepts(undefined), undefined);
  assert.equal(accepts({ rejectAll: false }), undefined);
  assert.equal(accepts({ rejectAll: true })?.("a"), false);
  const included = accepts({ inclusionList: { patterns: [{ prefix: "http." }] } });
  assert.deepEqual([included?.("http.a"), included?.("cluster.a")], [true, false]);
  const excluded = accepts({
    exclusionList: { patterns: [{ safeRegex: { regex: "server\\..*" } }, { exact: "a" }] },
  });
  assert.deepEqual(
    [excluded?.("server.live"), excluded?.("a"), excluded?.("b")],
    [false, false, true],
  );
});

for (const [config, message] of [
  [{ statsTags: [{ regex: "^(a)" }] }, /^stats_tags\[0\]\.tag_name: is required$/],
  [{ statsTags: [{ tagName: "x" }] }, /^stats_tags\[0\]\.tag_name: no regex specified .* "x"$/],
  [{ statsTags: [{ tagName: "x", regex: "a" }] }, /^stats_tags\[0\]\.regex: needs a group/],
  [{ statsTags: [{ tagName: "x", regex: "(" }] }, /^stats_tags\[0\]\.regex: /],
  [{ statsMatcher: {} }, /^stats_matcher: reject_all, exclusion_list or inclusion_list/],
  [
    { histogramBucketSettings: [{ match: { prefix: "a" } }] },
    /^histogram_bucket_settings\[0\]\.buckets: must have at least 1 item$/,
  ],
  [
    { histogramBucketSettings: [{ match: { prefix: "a" }, buckets: [0, 1] }] },
    /^histogram_bucket_settings\[0\]\.buckets: must be greater than 0$/,
  ],
] as const) {
  test(`refused: ${JSON.stringify(config)}`, () => {
    // A literal is readonly all through; the compiler only reads.
    const json: StatsConfigJson = JSON.parse(JSON.stringify(config));
    assert.throws(
      () => compileStatsConfig(json),
      (error) => error instanceof ConfigError && message.test(error.message),
    );
  });
}
