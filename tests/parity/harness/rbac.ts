/** Short spellings of RBAC configuration. */
import assert from "node:assert/strict";
import { answer, response, type Script } from "../../../testkit/fake-upstream.ts";
import { extension, type JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";

export const filterName = "envoy.filters.http.rbac";
export const ok: Script = answer(response(200, "ok"));
export const rbac = (config: JsonObject, name: string = filterName): JsonObject =>
  extension(name, "envoy.extensions.filters.http.rbac.v3.RBAC", config);
export const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
      ...config,
    },
  },
});
export const any: JsonObject = { any: true };
export const policy = (parts: {
  readonly permissions?: readonly JsonObject[];
  readonly principals?: readonly JsonObject[];
  readonly condition?: JsonObject;
}): JsonObject => ({ permissions: [any], principals: [any], ...parts });
export const rules = (policies: JsonObject, action = "ALLOW"): JsonObject => ({ action, policies });
export const one = (parts: Parameters<typeof policy>[0], action = "ALLOW"): JsonObject =>
  rules({ p: policy(parts) }, action);
export const fieldIs = (name: string, value: string): JsonObject => ({
  header: { name, string_match: { exact: value } },
});
export const metadataIs = (filter: string, key: string, exact: string): JsonObject => ({
  filter,
  path: [{ key }],
  value: { string_match: { exact } },
});
export const logged = (namespace: string): string =>
  `%RESPONSE_CODE% %DYNAMIC_METADATA(${namespace})%`;

/** [path or fields of the request, status] */
export type Expectation = readonly [path: string, fields: readonly string[], status: number];

export async function answers(t: CaseContext, expected: readonly Expectation[]): Promise<void> {
  for (const [path, fields, status] of expected) {
    assert.equal((await t.get(path, ...fields)).status, status, [path, ...fields].join(" "));
  }
}
