import assert from "node:assert/strict";
import { answer, response, type Script } from "../../../testkit/fake-upstream.ts";
import type { ParityCase } from "./area.ts";
import { extension, http, type JsonObject, route, toCluster, virtualHost } from "./config.ts";
import { percent, perRoute, statuses } from "./limits.ts";

export const limitName = "envoy.filters.http.local_ratelimit";
export const limitType = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit";

/** So many tokens, and none come back while a case runs. */
export const bucket = (tokens: number, more: JsonObject = {}): JsonObject => ({
  max_tokens: tokens,
  fill_interval: "3600s",
  ...more,
});
const always: JsonObject = { default_value: percent(100) };
export const limit = (config: JsonObject = {}): JsonObject => ({
  stat_prefix: "{case}",
  token_bucket: bucket(1),
  filter_enabled: always,
  filter_enforced: always,
  ...config,
});
export const limiter = (config: JsonObject = {}): JsonObject =>
  extension(limitName, limitType, limit(config));
export const limitOnRoute = (config: JsonObject): JsonObject =>
  perRoute(limitName, limitType, limit(config));
export const ok: Script = answer(response(200, "upstream"));
export const limitStats = (
  enabled: number,
  passed: number,
  rateLimited: number,
  enforced: number,
  prefix = "{case}",
): Record<string, number> => ({
  [`${prefix}.http_local_rate_limit.enabled`]: enabled,
  [`${prefix}.http_local_rate_limit.ok`]: passed,
  [`${prefix}.http_local_rate_limit.rate_limited`]: rateLimited,
  [`${prefix}.http_local_rate_limit.enforced`]: enforced,
});

/** A descriptor `key: value, …` with a bucket of so many tokens. */
export const descriptor = (
  entries: Readonly<Record<string, string>>,
  tokens: number,
  more: JsonObject = {},
): JsonObject => ({
  entries: Object.entries(entries).map(([key, value]) => ({ key, value })),
  token_bucket: bucket(tokens, more),
});

/** A route whose requests have these rate-limit actions. */
export const withActions = (...actions: readonly JsonObject[]): JsonObject =>
  route({ prefix: "/" }, toCluster("main", { rate_limits: [{ actions }] }));

/**
 * The descriptor that an action makes of a request: a bucket of 1 for exactly that one. Two requests of the kind get 200 and 429, two
 * of the other kind 200 both.
 */
export const action = (options: {
  readonly name: string;
  readonly action: JsonObject;
  readonly entry: Readonly<Record<string, string>>;
  readonly matches: readonly [path: string, ...fields: readonly string[]];
  readonly misses?: readonly [path: string, ...fields: readonly string[]];
  readonly manager?: JsonObject;
  readonly route?: JsonObject;
}): ParityCase => ({
  name: `action ${options.name}`,
  config: http({
    filters: [limiter({ token_bucket: bucket(100), descriptors: [descriptor(options.entry, 1)] })],
    virtualHosts: [
      virtualHost("{case}", ["*"], [{ ...withActions(options.action), ...options.route }]),
    ],
    ...(options.manager === undefined ? {} : { manager: options.manager }),
  }),
  upstream: ok,
  run: async (t) => {
    const [path, ...fields] = options.matches;
    assert.deepEqual(await statuses(t, [path, path], ...fields), [200, 429]);
    if (options.misses === undefined) return;
    const [otherPath, ...otherFields] = options.misses;
    assert.deepEqual(await statuses(t, [otherPath, otherPath], ...otherFields), [200, 200]);
  },
});
