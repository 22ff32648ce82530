import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route } from "./harness/config.ts";

const rbac = (permission: JsonObject): JsonObject =>
  extension("envoy.filters.http.rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", {
    rules: { policies: { p: { permissions: [permission], principals: [{ any: true }] } } },
  });

const metadataValue = (value: JsonObject, invert = false): JsonObject => ({
  sourced_metadata: {
    metadata_matcher: { filter: "m", path: [{ key: "k" }], value, invert },
    metadata_source: "ROUTE",
  },
});

/** What each metadata value matches: paths of the routes whose metadata have it. */
const values: Readonly<Record<string, JsonObject>> = {
  "/one": { k: 1 },
  "/text": { k: "text" },
  "/true": { k: true },
  "/false": { k: false },
  "/null": { k: null },
  "/list": { k: ["text", 2] },
  "/none": {},
};
const valueCase = (
  name: string,
  permission: JsonObject,
  matching: readonly string[],
): ParityCase => ({
  name: `metadata: ${name}`,
  config: http({
    filters: [rbac(permission)],
    routes: Object.entries(values).map(([path, m]) =>
      route({ path }, { ...direct("ok"), metadata: { filter_metadata: { m } } }),
    ),
  }),
  run: async (t) => {
    const passed: string[] = [];
    for (const path of Object.keys(values))
      if ((await t.get(path)).status === 200) passed.push(path);
    assert.deepEqual(passed, matching);
  },
});

const metadataValues: readonly ParityCase[] = [
  valueCase("string_match", metadataValue({ string_match: { prefix: "te" } }), ["/text"]),
  valueCase("double_match", metadataValue({ double_match: { exact: 1 } }), ["/one"]),
  valueCase(
    "double_match with a range",
    metadataValue({ double_match: { range: { start: 1, end: 2 } } }),
    ["/one"],
  ),
  valueCase("bool_match", metadataValue({ bool_match: false }), ["/false"]),
  valueCase("null_match", metadataValue({ null_match: {} }), ["/null"]),
  valueCase("present_match", metadataValue({ present_match: true }), [
    "/one",
    "/text",
    "/true",
    "/false",
    "/null",
    "/list",
  ]),
  valueCase("present_match false", metadataValue({ present_match: false }), []),
  valueCase(
    "list_match",
    metadataValue({ list_match: { one_of: { double_match: { exact: 2 } } } }),
    ["/list"],
  ),
  valueCase(
    "or_match",
    metadataValue({
      or_match: { value_matchers: [{ bool_match: true }, { double_match: { exact: 1 } }] },
    }),
    ["/one", "/true"],
  ),
  valueCase("invert", metadataValue({ string_match: { exact: "text" } }, true), [
    "/one",
    "/true",
    "/false",
    "/null",
    "/list",
    "/none",
  ]),
];

parityArea("rbac-metadata", metadataValues);
