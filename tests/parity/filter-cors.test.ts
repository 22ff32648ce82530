import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import {
  ask,
  cors,
  counted,
  everything,
  exact,
  foe,
  friend,
  friends,
  preflight,
  simple,
} from "./harness/cors.ts";
import { type Scene, scene } from "./harness/scene.ts";

const scenes: readonly Scene[] = [
  cors("an allowed origin gets what it may see", {
    act: async (t) => {
      const seen = [await simple(t, friend), await t.logLine()];
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
      "200 - via_upstream",
    ],
  }),
  cors("another origin is served without a word", {
    act: async (t) => {
      const seen = [await simple(t, foe)];
      await counted(t, 0, 1);
      return seen;
    },
    sees: [["200", "content-length: 2", "ok"]],
  }),
  cors("without origin, or with an empty one, nothing counts", {
    act: async (t) => {
      const seen = [await ask(t, "GET"), await ask(t, "GET", { fields: ["origin:"] })];
      await counted(t, 0, 0);
      return seen;
    },
    sees: [
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "ok"],
    ],
  }),
  cors("a preflight is answered here", {
    act: async (t) => {
      const seen = [await preflight(t, friend), await t.logLine(), t.upstream().received];
      await counted(t, 1, 0);
      return seen;
    },
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
      "200 - cors_response",
      "",
    ],
  }),
  cors("a preflight of another origin goes to the upstream", {
    act: async (t) => [await preflight(t, foe), await t.logLine()],
    sees: [["200", "content-length: 2", "ok"], "200 - via_upstream"],
  }),
  cors("forward_not_matching_preflights off: another origin is answered without being named", {
    policy: { ...everything, forward_not_matching_preflights: false },
    act: async (t) => [await preflight(t, foe), await t.logLine(), t.upstream().received],
    sees: [
      [
        "200",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET,POST",
        "access-control-allow-headers: x-one,x-two",
        "access-control-max-age: 100",
        "content-length: 0",
        "",
      ],
      "200 - cors_response",
      "",
    ],
  }),
  cors("OPTIONS without a method, or with an empty one, is no preflight", {
    act: async (t) => [
      await ask(t, "OPTIONS", { fields: [`origin: ${friend}`] }),
      await ask(t, "OPTIONS", { fields: [`origin: ${friend}`, "access-control-request-method:"] }),
    ],
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
        "content-length: 2",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-seen",
        "ok",
      ],
    ],
  }),
  cors("a policy of origins alone says only the origin", {
    policy: friends,
    act: async (t) => [await simple(t, friend), await preflight(t, friend)],
    sees: [
      ["200", "content-length: 2", "access-control-allow-origin: http://friend.example", "ok"],
      ["200", "access-control-allow-origin: http://friend.example", "content-length: 0", ""],
    ],
  }),
  cors("an asterisk for methods and headers repeats what was asked", {
    policy: { ...friends, allow_methods: "*", allow_headers: "*" },
    act: async (t) => [
      await preflight(t, friend, "access-control-request-headers: x-a, x-b"),
      await preflight(t, friend),
    ],
    sees: [
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-methods: PUT",
        "access-control-allow-headers: x-a, x-b",
        "content-length: 0",
        "",
      ],
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-methods: PUT",
        "access-control-allow-headers: ",
        "content-length: 0",
        "",
      ],
    ],
  }),
  cors("private networks are allowed when asked for", {
    policy: { ...friends, allow_private_network_access: true },
    act: async (t) => [
      await preflight(t, friend, "access-control-request-private-network: true"),
      await preflight(t, friend, "access-control-request-private-network: yes"),
      await simple(t, friend),
    ],
    sees: [
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-private-network: true",
        "content-length: 0",
        "",
      ],
      ["200", "access-control-allow-origin: http://friend.example", "content-length: 0", ""],
      ["200", "content-length: 2", "access-control-allow-origin: http://friend.example", "ok"],
    ],
  }),
  cors("private networks are not allowed by default", {
    policy: friends,
    act: async (t) => [await preflight(t, friend, "access-control-request-private-network: true")],
    sees: [["200", "access-control-allow-origin: http://friend.example", "content-length: 0", ""]],
  }),
  cors("credentials denied are not named", {
    policy: { ...friends, allow_credentials: false },
    act: async (t) => [await simple(t, friend), await preflight(t, friend)],
    sees: [
      ["200", "content-length: 2", "access-control-allow-origin: http://friend.example", "ok"],
      ["200", "access-control-allow-origin: http://friend.example", "content-length: 0", ""],
    ],
  }),
  cors("the upstream's own words are replaced for an allowed origin, and kept for another", {
    upstream: answer(
      response(
        200,
        "ok",
        "access-control-allow-origin: *",
        "access-control-allow-credentials: false",
        "access-control-expose-headers: x-up",
        "access-control-max-age: 5",
      ),
    ),
    act: async (t) => [await simple(t, friend), await simple(t, foe)],
    sees: [
      [
        "200",
        "access-control-allow-origin: http://friend.example",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: x-seen",
        "access-control-max-age: 5",
        "content-length: 2",
        "ok",
      ],
      [
        "200",
        "access-control-allow-origin: *",
        "access-control-allow-credentials: false",
        "access-control-expose-headers: x-up",
        "access-control-max-age: 5",
        "content-length: 2",
        "ok",
      ],
    ],
  }),
  cors("origins by prefix, suffix, part, pattern and case", {
    policy: {
      allow_origin_string_match: [
        { prefix: "https://pre" },
        { suffix: ".suf" },
        { contains: "-mid-" },
        { safe_regex: { regex: "http://re[0-9]+" } },
        { exact: "http://CASE", ignore_case: true },
      ],
    },
    act: async (t) => {
      const origins = [
        "https://prefix",
        "x.suf",
        "x-mid-y",
        "http://re12",
        "http://re",
        "HTTP://case",
      ];
      const seen: (readonly string[])[] = [];
      for (const origin of origins) seen.push(await simple(t, origin));
      await counted(t, 5, 1);
      return seen;
    },
    sees: [
      ["200", "content-length: 2", "access-control-allow-origin: https://prefix", "ok"],
      ["200", "content-length: 2", "access-control-allow-origin: x.suf", "ok"],
      ["200", "content-length: 2", "access-control-allow-origin: x-mid-y", "ok"],
      ["200", "content-length: 2", "access-control-allow-origin: http://re12", "ok"],
      ["200", "content-length: 2", "ok"],
      ["200", "content-length: 2", "access-control-allow-origin: HTTP://case", "ok"],
    ],
  }),
  cors("an asterisk allows any origin", {
    policy: { allow_origin_string_match: [exact("*")] },
    act: async (t) => [await simple(t, foe), await simple(t, "null")],
    sees: [
      ["200", "content-length: 2", "access-control-allow-origin: http://foe.example", "ok"],
      ["200", "content-length: 2", "access-control-allow-origin: null", "ok"],
    ],
  }),
  cors("a pattern that an asterisk matches allows any origin", {
    policy: { allow_origin_string_match: [{ safe_regex: { regex: "\\*|nobody" } }] },
    act: async (t) => [await simple(t, foe)],
    sees: [["200", "content-length: 2", "access-control-allow-origin: http://foe.example", "ok"]],
  }),
  cors("several origins are one text", {
    act: async (t) => [await ask(t, "GET", { fields: [`origin: ${friend}`, `origin: ${foe}`] })],
    sees: [["200", "content-length: 2", "ok"]],
  }),
];

parityArea("filter-cors", scenes.map(scene));
