import assert from "node:assert/strict";
import { test } from "node:test";
import { supported } from "./supported.ts";

/** What routes do not do yet. A field that begins to work moves out of here, and into a parity case. */
const refused: Readonly<Record<string, readonly string[]>> = {
  "envoy.config.route.v3.RouteConfiguration": [
    "vhds",
    "cluster_specifier_plugins",
    "request_mirror_policies",
  ],
  "envoy.config.route.v3.VirtualHost": [
    "matcher",
    "rate_limits",
    "retry_policy",
    "retry_policy_typed_config",
    "hedge_policy",
    "request_mirror_policies",
    "cors",
  ],
  "envoy.config.route.v3.Route": ["tracing"],
  "envoy.config.route.v3.RouteAction": [
    "cluster_specifier_plugin",
    "inline_cluster_specifier_plugin",
    "metadata_match",
    "retry_policy",
    "request_mirror_policies",
    "rate_limits",
    "hash_policy",
    "hedge_policy",
    "cors",
  ],
};

for (const [message, fields] of Object.entries(refused)) {
  test(`${message}: ${fields.join(", ")} are refused by name`, () => {
    const known = supported[message];
    assert.ok(known);
    for (const field of fields) assert.ok(!known.includes(field), field);
  });
}
