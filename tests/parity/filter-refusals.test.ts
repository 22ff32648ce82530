import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route } from "./harness/config.ts";

const packageOf = "envoy.extensions.filters.http";
const headerToMetadata = `${packageOf}.header_to_metadata.v3.Config`;
const setFilterState = `${packageOf}.set_filter_state.v3.Config`;

const filter = (type: string, config: JsonObject): JsonObject => extension("some", type, config);
const rule = (config: JsonObject): JsonObject =>
  filter(headerToMetadata, { request_rules: [config] });
const value = (config: JsonObject): JsonObject =>
  filter(setFilterState, {
    on_request_headers: [
      { format_string: { text_format_source: { inline_string: "v" } }, ...config },
    ],
  });
const entry = { metadata_namespace: "n", key: "k" };
const rewrite = { regex_value_rewrite: { pattern: { regex: "a" }, substitution: "" } };

const refuses = (name: string, refused: JsonObject, reason: RegExp): ParityCase => ({
  name,
  config: http({ filters: [refused], routes: [route({ prefix: "/" }, direct("hi"))] }),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1);
    assert.match(output, reason);
  },
});

parityArea("filter-refusals", [
  refuses(
    "a rule that does nothing",
    rule({ cookie: "a" }),
    /rule for cookie 'a' has neither `on_header_present` nor `on_header_missing` set/,
  ),
  refuses(
    "a value that is fixed and rewritten",
    rule({ header: "a", on_header_present: { ...entry, ...rewrite, value: "v" } }),
    /Cannot specify both value and regex_value_rewrite/,
  ),
  refuses(
    "an object that nobody makes",
    value({ object_key: "x" }),
    /'x' does not have an object factory/,
  ),
  refuses(
    "a csrf policy without filter_enabled",
    filter(`${packageOf}.csrf.v3.CsrfPolicy`, {}),
    /filter_?enabled/i,
  ),
]);
