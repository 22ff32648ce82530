import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, http, route, toCluster } from "./harness/config.ts";
import {
  answers,
  fieldIs,
  filterName,
  logged,
  ok,
  one,
  perRoute,
  policy,
  rbac,
  rules,
} from "./harness/rbac.ts";

const decisions: readonly ParityCase[] = [
  {
    name: "ALLOW lets pass what a policy matches, and refuses the rest with 403",
    config: http({
      filters: [rbac({ rules: one({ permissions: [fieldIs("x-role", "admin")] }) })],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-role: admin")).status, 200);
      const got = await t.get("/", "x-role: guest");
      assert.equal(got.status, 403);
      assert.equal(got.body, "RBAC: access denied");
      assert.equal(got.header("content-type"), "text/plain");
      assert.deepEqual(await t.log(2), [
        "200 - via_upstream",
        "403 - rbac_access_denied_matched_policy[none]",
      ]);
      await t.stats({
        "http.{case}.rbac.allowed": 1,
        "http.{case}.rbac.denied": 1,
        "http.{case}.rbac.shadow_allowed": 0,
        "http.{case}.rbac.shadow_denied": 0,
      });
    },
  },
  {
    name: "DENY names the policy that matched, spaces replaced",
    config: http({
      filters: [
        rbac({
          rules: rules(
            { "no  guests\tat all": policy({ permissions: [fieldIs("x-role", "guest")] }) },
            "DENY",
          ),
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-role: guest")).status, 403);
      assert.equal((await t.get("/", "x-role: admin")).status, 200);
      assert.deepEqual(await t.log(2), [
        "403 - rbac_access_denied_matched_policy[no__guests_at_all]",
        "200 - via_upstream",
      ]);
    },
  },
  {
    name: "policies are asked in the order of their names",
    config: http({
      filters: [
        rbac({
          rules: rules(
            {
              zebra: policy({}),
              "a-1": policy({ permissions: [{ url_path: { path: { prefix: "/a" } } }] }),
              Beta: policy({ permissions: [{ url_path: { path: { prefix: "/b" } } }] }),
            },
            "DENY",
          ),
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      for (const path of ["/a", "/b", "/c"]) await t.get(path);
      const found = await t.log(3);
      assert.deepEqual(
        found.map((line) => /\[(.*)\]/.exec(line)?.[1]),
        ["a-1", "Beta", "zebra"],
      );
    },
  },
  {
    name: "LOG lets everything pass and leaves a hint for access logs",
    config: http({
      filters: [rbac({ rules: one({ permissions: [fieldIs("x-role", "guest")] }, "LOG") })],
      logFormat: logged("envoy.common"),
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-role: guest")).status, 200);
      assert.equal((await t.get("/", "x-role: admin")).status, 200);
      assert.deepEqual(await t.log(2), [
        '200 {"access_log_hint":true}',
        '200 {"access_log_hint":false}',
      ]);
      await t.stats({ "http.{case}.rbac.allowed": 2 });
    },
  },
  {
    name: "rules without policies allow nobody, and no rules allow all",
    config: http({
      filters: [rbac({}), rbac({ rules: {} }, "second")],
      routes: [
        route(
          { prefix: "/open" },
          {
            ...direct("ok"),
            typed_per_filter_config: {
              second: {
                "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
                disabled: true,
              },
            },
          },
        ),
        route({ prefix: "/" }, direct("ok")),
      ],
    }),
    run: (t) =>
      answers(t, [
        ["/open", [], 200],
        ["/", [], 403],
      ]),
  },
  {
    name: "a gRPC request is refused in gRPC's words",
    config: http({ filters: [rbac({ rules: {} })] }),
    upstream: ok,
    run: async (t) => {
      const got = await t.get("/", "content-type: application/grpc");
      assert.equal(got.status, 200);
      assert.equal(got.header("grpc-status"), "7");
      assert.equal(got.header("grpc-message"), "RBAC: access denied");
    },
  },
  {
    name: "a refusal comes before the request's body",
    config: http({ filters: [rbac({ rules: {} })] }),
    upstream: ok,
    run: async (t) => {
      const client = await t.connect();
      await client.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n");
      assert.equal((await client.response()).status, 403);
    },
  },
];

const shadow: readonly ParityCase[] = [
  {
    name: "shadow rules are counted and told, and change nothing",
    config: http({
      filters: [
        rbac({
          shadow_rules: rules(
            { "no guests": policy({ permissions: [fieldIs("x-role", "guest")] }) },
            "DENY",
          ),
        }),
      ],
      logFormat: logged(filterName),
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-role: guest")).status, 200);
      assert.equal((await t.get("/", "x-role: admin")).status, 200);
      const [first = "", second = ""] = await t.log(2);
      assert.deepEqual(JSON.parse(first.slice(4)), {
        shadow_effective_policy_id: "no guests",
        shadow_engine_result: "denied",
      });
      assert.deepEqual(JSON.parse(second.slice(4)), { shadow_engine_result: "allowed" });
      await t.stats({
        "http.{case}.rbac.shadow_allowed": 1,
        "http.{case}.rbac.shadow_denied": 1,
        "http.{case}.rbac.allowed": 0,
        "http.{case}.rbac.denied": 0,
      });
    },
  },
  {
    name: "prefixes keep the counts of several filters apart",
    config: http({
      filters: [
        rbac({
          rules: one({}),
          rules_stat_prefix: "enforced_",
          shadow_rules: one({ permissions: [fieldIs("x-role", "admin")] }),
          shadow_rules_stat_prefix: "dry_",
          track_per_rule_stats: true,
        }),
      ],
      logFormat: logged(filterName),
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-role: guest")).status, 200);
      assert.equal((await t.get("/", "x-role: admin")).status, 200);
      const [first = "", second = ""] = await t.log(2);
      const enforced = {
        enforced_enforced_effective_policy_id: "p",
        enforced_enforced_engine_result: "allowed",
      };
      assert.deepEqual(JSON.parse(first.slice(4)), {
        ...enforced,
        dry_shadow_engine_result: "denied",
      });
      assert.deepEqual(JSON.parse(second.slice(4)), {
        ...enforced,
        dry_shadow_effective_policy_id: "p",
        dry_shadow_engine_result: "allowed",
      });
      await t.stats({
        "http.{case}.rbac.enforced_.allowed": 2,
        "http.{case}.rbac.enforced_.denied": 0,
        "http.{case}.rbac.enforced_.policy.p.allowed": 2,
        "http.{case}.rbac.dry_.shadow_allowed": 1,
        "http.{case}.rbac.dry_.shadow_denied": 1,
        "http.{case}.rbac.dry_.policy.p.shadow_allowed": 1,
      });
    },
  },
  {
    name: "a prefix that ends in a dot gets no second one",
    config: http({
      filters: [
        rbac({
          rules: one({ permissions: [fieldIs("x-role", "guest")] }, "DENY"),
          rules_stat_prefix: "enforced.",
          shadow_rules: one({}, "LOG"),
          shadow_rules_stat_prefix: "dry.",
          track_per_rule_stats: true,
        }),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/", "x-role: guest")).status, 403);
      await t.stats({
        "http.{case}.rbac.enforced.allowed": 0,
        "http.{case}.rbac.enforced.denied": 1,
        "http.{case}.rbac.enforced.policy.p.denied": 1,
        "http.{case}.rbac.dry.shadow_allowed": 1,
        "http.{case}.rbac.dry.policy.p.shadow_allowed": 1,
      });
    },
  },
  {
    name: "what the rules decided is told in metadata",
    config: http({
      filters: [
        rbac({ rules: one({ permissions: [fieldIs("x-role", "admin")] }) }),
        rbac({ rules: one({}, "LOG"), rules_stat_prefix: "second_" }, "second"),
      ],
      logFormat: logged(filterName),
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/", "x-role: admin");
      await t.get("/");
      const [first = "", second = ""] = await t.log(2);
      assert.deepEqual(JSON.parse(first.slice(4)), {
        enforced_effective_policy_id: "p",
        enforced_engine_result: "allowed",
        second_enforced_effective_policy_id: "p",
        second_enforced_engine_result: "allowed",
      });
      assert.deepEqual(JSON.parse(second.slice(4)), { enforced_engine_result: "denied" });
    },
  },
];

const routes: readonly ParityCase[] = [
  {
    name: "a route has rules of its own, or none",
    config: http({
      filters: [rbac({ rules: {}, rules_stat_prefix: "chain" })],
      routes: [
        route(
          { prefix: "/own" },
          {
            ...toCluster(),
            ...perRoute({
              rbac: {
                rules: one({ permissions: [fieldIs("x-role", "admin")] }),
                rules_stat_prefix: "route",
                shadow_rules: one({}),
              },
            }),
          },
        ),
        route({ prefix: "/open" }, { ...toCluster(), ...perRoute({}) }),
        route({ prefix: "/" }, toCluster()),
      ],
    }),
    upstream: ok,
    run: async (t) => {
      await answers(t, [
        ["/own", ["x-role: admin"], 200],
        ["/own", [], 403],
        ["/open", [], 200],
        ["/", ["x-role: admin"], 403],
      ]);
      await t.stats({
        "http.{case}.rbac.chain.allowed": 1,
        "http.{case}.rbac.chain.denied": 2,
        "http.{case}.rbac.shadow_allowed": 2,
      });
    },
  },
];

parityArea("rbac", [...decisions, ...shadow, ...routes]);
