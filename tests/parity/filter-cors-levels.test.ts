import { parityArea } from "./harness/area.ts";
import { direct, route, toCluster, virtualHost } from "./harness/config.ts";
import {
  ask,
  cors,
  counted,
  everything,
  exact,
  foe,
  friend,
  friends,
  percent,
  perRoute,
  preflight,
  simple,
} from "./harness/cors.ts";
import { type Scene, scene } from "./harness/scene.ts";

const off = percent(0);

const scenes: readonly Scene[] = [
  cors("the most specific level that says something counts, field by field", {
    config: {
      routeConfig: perRoute({ ...friends, allow_credentials: true, allow_headers: "x-config" }),
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/weighted" },
              {
                route: {
                  weighted_clusters: {
                    clusters: [
                      {
                        name: "{case}-main",
                        weight: 1,
                        ...perRoute({ max_age: "1", allow_credentials: false }),
                      },
                    ],
                  },
                },
                ...perRoute({ max_age: "2", allow_methods: "ROUTE" }),
              },
            ),
            route(),
          ],
          perRoute({ max_age: "3", allow_methods: "HOST", expose_headers: "x-host" }),
        ),
      ],
    },
    act: async (t) => [
      await preflight(t, friend),
      await ask(t, "OPTIONS", {
        path: "/weighted",
        fields: [`origin: ${friend}`, "access-control-request-method: PUT"],
      }),
      await simple(t, friend, "/weighted"),
    ],
    sees: [
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: HOST",
        "access-control-allow-headers: x-config",
        "access-control-max-age: 3",
        "access-control-expose-headers: x-host",
        "content-length: 0",
        "",
      ],
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-methods: ROUTE",
        "access-control-allow-headers: x-config",
        "access-control-max-age: 1",
        "access-control-expose-headers: x-host",
        "content-length: 0",
        "",
      ],
      [
        "200",
        "content-length: 2",
        "access-control-allow-origin: http://friend.example",
        "access-control-expose-headers: x-host",
        "ok",
      ],
    ],
  }),
  cors("whether it is on is the word of the most specific policy alone", {
    policy: { ...everything, filter_enabled: off },
    config: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route({ prefix: "/on" }, { ...toCluster(), ...perRoute({ max_age: "9" }) }),
            route({ prefix: "/off" }, toCluster()),
          ],
          perRoute({ ...everything, filter_enabled: off }),
        ),
      ],
    },
    act: async (t) => [await simple(t, friend, "/on"), await simple(t, friend, "/off")],
    sees: [
      [
        "200",
        "content-length: 2",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-seen",
        "ok",
      ],
      ["200", "content-length: 2", "ok"],
    ],
  }),
  cors("shadow: counted, not enforced", {
    policy: { ...everything, filter_enabled: off, shadow_enabled: percent(100) },
    act: async (t) => {
      const seen = [await simple(t, friend), await simple(t, foe), await preflight(t, friend)];
      await counted(t, 2, 1);
      return seen;
    },
    sees: [
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "ok"],
    ],
  }),
  cors("shadow beside on: enforced", {
    policy: { ...everything, shadow_enabled: percent(100) },
    act: async (t) => {
      const seen = [await simple(t, friend)];
      await counted(t, 1, 0);
      return seen;
    },
    sees: [
      [
        "200",
        "content-length: 2",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-seen",
        "ok",
      ],
    ],
  }),
  cors("neither on nor shadow: nothing is counted", {
    policy: { ...everything, filter_enabled: off },
    act: async (t) => {
      const seen = [await simple(t, friend), await preflight(t, foe)];
      await counted(t, 0, 0);
      return seen;
    },
    sees: [
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "ok"],
    ],
  }),
  {
    ...cors("the runtime switches it", {
      policy: { ...everything, filter_enabled: percent(100, "cors.on") },
      act: async (t) => {
        const before = await simple(t, friend);
        await t.admin("/runtime_modify?cors.on=0", "POST");
        return [before, await simple(t, friend)];
      },
      sees: [
        [
          "200",
          "content-length: 2",
          "access-control-allow-origin: http://friend.example",
          "access-control-allow-credentials: true",
          "access-control-expose-headers: x-seen",
          "ok",
        ],
        ["200", "content-length: 2", "ok"],
      ],
    }),
    own: {
      bootstrap: { layered_runtime: { layers: [{ name: "admin", admin_layer: {} }] } },
    },
  },
  cors("without a policy nothing happens", {
    config: { virtualHosts: [virtualHost("all", ["*"], [route()])] },
    act: async (t) => {
      const seen = [await simple(t, friend), await preflight(t, friend)];
      await counted(t, 0, 0);
      return seen;
    },
    sees: [
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "ok"],
    ],
  }),
  cors("routes that answer themselves know no policy", {
    config: {
      virtualHosts: [
        virtualHost("all", ["*"], [route({ prefix: "/" }, direct("hi"))], perRoute(everything)),
      ],
    },
    act: async (t) => {
      const seen = [await simple(t, friend), await preflight(t, friend)];
      await counted(t, 0, 0);
      return seen;
    },
    sees: [
      ["200", "content-length: 2", "content-type: text/plain", "hi"],
      ["200", "content-length: 2", "content-type: text/plain", "hi"],
    ],
  }),
  cors("a reply of the proxy's own is marked too", {
    config: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [route({ prefix: "/" }, { route: { cluster_header: "x-nobody" } })],
          perRoute(everything),
        ),
      ],
    },
    act: async (t) => [await simple(t, friend), await t.logLine()],
    sees: [
      [
        "503",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-seen",
        "content-length: 0",
        "",
      ],
      "503 NC cluster_not_found",
    ],
  }),
  cors("preflights are not touched by local_reply_config", {
    config: {
      manager: {
        local_reply_config: {
          mappers: [
            {
              filter: {
                status_code_filter: {
                  comparison: {
                    op: "EQ",
                    value: { default_value: 200, runtime_key: "none" },
                  },
                },
              },
              status_code: 299,
            },
          ],
          body_format: { text_format_source: { inline_string: "mapped" } },
        },
      },
    },
    act: async (t) => [await preflight(t, friend)],
    sees: [
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET,POST",
        "access-control-allow-headers: x-one,x-two",
        "access-control-max-age: 100",
        "access-control-expose-headers: x-seen",
        "content-length: 0",
        "",
      ],
    ],
  }),
  cors("the older fields of route and virtual host are a policy too", {
    config: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [route({ prefix: "/own" }, toCluster("main", { cors: { max_age: "7" } })), route()],
          { cors: everything },
        ),
      ],
    },
    act: async (t) => {
      const seen = [
        await simple(t, friend),
        await preflight(t, friend),
        await ask(t, "OPTIONS", {
          path: "/own",
          fields: [`origin: ${friend}`, "access-control-request-method: PUT"],
        }),
      ];
      await counted(t, 3, 0);
      return seen;
    },
    sees: [
      [
        "200",
        "content-length: 2",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-seen",
        "ok",
      ],
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET,POST",
        "access-control-allow-headers: x-one,x-two",
        "access-control-max-age: 100",
        "access-control-expose-headers: x-seen",
        "content-length: 0",
        "",
      ],
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET,POST",
        "access-control-allow-headers: x-one,x-two",
        "access-control-max-age: 7",
        "access-control-expose-headers: x-seen",
        "content-length: 0",
        "",
      ],
    ],
  }),
  cors("a policy per filter makes the older fields void", {
    config: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [route({ prefix: "/" }, toCluster("main", { cors: everything }))],
          perRoute({ allow_origin_string_match: [exact(foe)] }),
        ),
      ],
    },
    act: async (t) => [await simple(t, friend), await simple(t, foe)],
    sees: [
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "access-control-allow-origin: http://foe.example", "ok"],
    ],
  }),
];

parityArea("filter-cors-levels", scenes.map(scene));
