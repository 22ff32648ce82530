import assert from "node:assert/strict";
import { test } from "node:test";
import { ipAddress } from "#net/address.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";
import { StreamInfo } from "../stream-info.ts";
import { compileEnforcer, type EnforcerConfig, enforce, RbacStats } from "./enforcer.ts";

function newInfo(): StreamInfo {
  const address = ipAddress("10.0.0.1", 80);
  return new StreamInfo(
    {
      connectionId: 1,
      local: address,
      directLocal: address,
      remote: address,
      directRemote: address,
      tls: undefined,
      requestedServerName: undefined,
      listenerName: "",
      filterChainName: "",
      listenerMetadata: undefined,
    },
    0,
    0,
  );
}

/** Counts by name. */
function scopeOf(counts: Record<string, number>): StatsScope {
  const none = () => assert.fail("only counters are asked for");
  return {
    counter(name: string): Counter {
      counts[name] ??= 0;
      const add = (n: number) => {
        counts[name] = (counts[name] ?? 0) + n;
      };
      return { name, value: 0, add, inc: () => add(1) };
    },
    gauge: none,
    histogram: none,
    scope: none,
  };
}

const anyone = { permissions: [{ any: true }], principals: [{ any: true }] };

function run(
  config: EnforcerConfig,
  kind: "http" | "tcp",
  info: StreamInfo = newInfo(),
): {
  readonly denied: boolean;
  readonly counts: Record<string, number>;
  readonly info: StreamInfo;
} {
  const counts: Record<string, number> = {};
  const stats = new RbacStats(scopeOf(counts), {
    rulesPrefix: config.rulesStatPrefix ?? "",
    shadowPrefix: config.shadowRulesStatPrefix ?? "",
    perRule: true,
  });
  const denied = enforce(compileEnforcer(config, kind), stats, info, undefined, "ns");
  return { denied: denied !== undefined, counts, info };
}

test("a prefix is joined by one dot", () => {
  const { counts } = run(
    {
      rules: { policies: { p: anyone } },
      rulesStatPrefix: "a",
      shadowRules: { action: "DENY", policies: { q: anyone } },
      shadowRulesStatPrefix: "b.",
    },
    "http",
  );
  assert.deepEqual(counts, {
    "rbac.a.allowed": 1,
    "rbac.a.denied": 0,
    "rbac.a.policy.p.allowed": 1,
    "rbac.b.shadow_allowed": 0,
    "rbac.b.shadow_denied": 1,
    "rbac.b.policy.q.shadow_denied": 1,
  });
});

test("shadow rules forbid nothing, and no rules neither", () => {
  assert.equal(run({ shadowRules: {} }, "http").denied, false);
  assert.equal(run({}, "http").denied, false);
  assert.equal(run({ rules: {} }, "http").denied, true);
});

test("LOG forbids nothing, counts, and leaves a hint", () => {
  const { denied, counts, info } = run({ rules: { action: "LOG" } }, "tcp");
  assert.equal(denied, false);
  assert.equal(counts["rbac.allowed"], 1);
  assert.deepEqual(info.dynamicMetadata, { "envoy.common": { access_log_hint: false } });
});

test("metadata of two filters come together, and neither changes the other's", () => {
  const info = newInfo();
  const first = compileEnforcer({ rules: { policies: { p: anyone } } }, "http");
  const stats = new RbacStats(scopeOf({}), { rulesPrefix: "", shadowPrefix: "", perRule: false });
  enforce(first, stats, info, undefined, "ns");
  run({ rules: {}, rulesStatPrefix: "second_" }, "http", info);
  assert.deepEqual(info.dynamicMetadata, {
    ns: {
      enforced_effective_policy_id: "p",
      enforced_engine_result: "allowed",
      second_enforced_engine_result: "denied",
    },
  });
  const other = newInfo();
  enforce(first, stats, other, undefined, "ns");
  assert.deepEqual(other.dynamicMetadata, {
    ns: { enforced_effective_policy_id: "p", enforced_engine_result: "allowed" },
  });
});

test("on a connection only shadow rules are told", () => {
  const { info } = run({ rules: {}, shadowRules: {}, shadowRulesStatPrefix: "dry_" }, "tcp");
  assert.deepEqual(info.dynamicMetadata, { ns: { dry_shadow_engine_result: "denied" } });
});
