import assert from "node:assert/strict";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route, virtualHost } from "./harness/config.ts";

const rbacOf = (action: string): JsonObject => ({
  rules: {
    action,
    policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } },
  },
});
const rbacType = "envoy.extensions.filters.http.rbac.v3.RBAC";
const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    "envoy.filters.http.rbac": {
      "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
      ...config,
    },
  },
});
const rbacPerRoute = (config: JsonObject): JsonObject => ({
  "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
  ...config,
});

const filterConfigs: readonly ParityCase[] = [
  {
    name: "FilterConfig wraps, disables and enables",
    config: http({
      filters: [extension("envoy.filters.http.rbac", rbacType, rbacOf("DENY"))],
      virtualHosts: [
        virtualHost(
          "{case}",
          ["*"],
          [
            route(
              { prefix: "/wrapped" },
              { ...direct("wrapped"), ...perRoute({ config: rbacPerRoute({}) }) },
            ),
            route({ prefix: "/off" }, { ...direct("off"), ...perRoute({ disabled: true }) }),
            route(
              { prefix: "/optional" },
              {
                ...direct("optional"),
                ...perRoute({ is_optional: true, config: rbacPerRoute({}) }),
              },
            ),
            route({ prefix: "/" }, direct("never")),
          ],
        ),
      ],
    }),
    run: async (t) => {
      const statuses: number[] = [];
      for (const path of ["/wrapped", "/off", "/optional", "/"])
        statuses.push((await t.get(path)).status);
      assert.deepEqual(statuses, [200, 200, 200, 403]);
    },
  },
  {
    name: "a route turns on again what its virtual host turned off",
    config: http({
      filters: [extension("envoy.filters.http.rbac", rbacType, rbacOf("DENY"))],
      virtualHosts: [
        virtualHost(
          "{case}",
          ["*"],
          [
            route(
              { prefix: "/on" },
              {
                ...direct("never"),
                ...perRoute({ config: rbacPerRoute({ rbac: rbacOf("DENY") }) }),
              },
            ),
            route({ prefix: "/" }, direct("open")),
          ],
          perRoute({ disabled: true }),
        ),
      ],
    }),
    run: async (t) => {
      assert.equal((await t.get("/on")).status, 403);
      assert.equal((await t.get("/")).body, "open");
    },
  },
  {
    name: "a filter that the chain disables is enabled by a route",
    config: http({
      filters: [
        { ...extension("envoy.filters.http.rbac", rbacType, rbacOf("DENY")), disabled: true },
      ],
      routes: [
        route(
          { prefix: "/on" },
          { ...direct("never"), ...perRoute({ config: rbacPerRoute({ rbac: rbacOf("DENY") }) }) },
        ),
        route({ prefix: "/" }, direct("open")),
      ],
    }),
    run: async (t) => {
      assert.equal((await t.get("/on")).status, 403);
      assert.equal((await t.get("/")).body, "open");
    },
  },
];

parityArea("routing-filter-configs", filterConfigs);
