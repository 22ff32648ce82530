import assert from "node:assert/strict";
import { echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { extension, type JsonObject } from "./harness/config.ts";
import { type ChainsCase, chainsCase, chainsConfig, ranges } from "./harness/filter-chains.ts";

const input = (name: string): JsonObject =>
  extension(name, `envoy.extensions.matching.common_inputs.network.v3.${name}`);
/** Take the chain of this name. */
const take = (value: string): JsonObject => ({
  action: extension(value, "google.protobuf.StringValue", { value }),
});
const then = (matcher: JsonObject): JsonObject => ({ matcher });
const byMap = (
  name: string,
  map: Readonly<Record<string, JsonObject>>,
  kind = "exact_match_map",
): JsonObject => ({ matcher_tree: { input: input(name), [kind]: { map } } });
const byIp = (name: string, range_matchers: readonly JsonObject[]): JsonObject => ({
  matcher_tree: {
    input: input(name),
    custom_match: extension("ip", "xds.type.matcher.v3.IPMatcher", { range_matchers }),
  },
});
const byName = (domain_matchers: readonly JsonObject[]): JsonObject => ({
  matcher_tree: {
    input: input("ServerNameInput"),
    custom_match: extension("names", "xds.type.matcher.v3.ServerNameMatcher", { domain_matchers }),
  },
});
const is = (name: string, value_match: JsonObject): JsonObject => ({
  single_predicate: { input: input(name), value_match },
});

const cases: readonly ChainsCase[] = [
  {
    name: "destination port by map, and what else",
    chains: { eighty: {}, other: {} },
    matcher: {
      ...byMap("DestinationPortInput", { 80: take("eighty") }),
      on_no_match: take("other"),
    },
    visits: [
      { to: "1.1.1.1:80", takes: "eighty" },
      { to: "1.1.1.1:81", takes: "other" },
    ],
  },
  {
    name: "no match takes the default chain, or none",
    chains: { eighty: {} },
    hasDefault: true,
    matcher: byMap("DestinationPortInput", { 80: take("eighty") }),
    visits: [
      { to: "1.1.1.1:80", takes: "eighty" },
      { to: "1.1.1.1:81", takes: "default" },
    ],
  },
  {
    name: "without default chain nothing is taken",
    chains: { eighty: {} },
    matcher: byMap("DestinationPortInput", { 80: take("eighty") }),
    visits: [{ to: "1.1.1.1:81", takes: undefined }],
  },
  {
    name: "destination address: the longest prefix, and one within the other",
    chains: { wide: {}, narrow: {}, port: {}, other: {} },
    matcher: {
      ...byIp("DestinationIPInput", [
        { ranges: ranges("10.0.0.0/8", "2001:db8::/32"), on_match: take("wide") },
        { ranges: ranges("10.1.0.0/16"), on_match: take("narrow") },
        {
          ranges: ranges("10.2.0.0/16"),
          on_match: then(byMap("DestinationPortInput", { 80: take("port") })),
        },
        { ranges: ranges("20.0.0.0/8"), exclusive: true, on_match: take("wide") },
        {
          ranges: ranges("20.3.0.0/16"),
          on_match: then(byMap("DestinationPortInput", { 80: take("port") })),
        },
      ]),
      on_no_match: take("other"),
    },
    visits: [
      { to: "10.9.0.1:80", takes: "wide" },
      { to: "10.1.0.1:80", takes: "narrow" },
      { to: "10.2.0.1:80", takes: "port" },
      { to: "10.2.0.1:81", takes: "wide" },
      { to: "20.1.0.1:80", takes: "wide" },
      { to: "20.3.0.1:80", takes: "port" },
      { to: "20.3.0.1:81", takes: "other" },
      { from: "::1:1", to: "2001:db8::1:80", takes: "wide" },
      { to: "11.0.0.1:80", takes: "other" },
    ],
  },
  {
    name: "server names: exact, the longest wildcard, any",
    chains: { exact: {}, long: {}, short: {}, any: {}, none: {} },
    matcher: {
      ...byName([
        { domains: ["*"], on_match: take("any") },
        { domains: ["*.test"], on_match: take("short") },
        { domains: ["*.b.test"], on_match: take("long") },
        { domains: ["a.b.test"], on_match: take("exact") },
      ]),
      on_no_match: take("none"),
    },
    visits: [
      { name: "a.b.test", takes: "exact" },
      { name: "x.b.test", takes: "long" },
      { name: "b.test", takes: "short" },
      { name: "a.example", takes: "any" },
      { takes: "none" },
    ],
  },
  {
    name: "a list: the first predicate that holds",
    chains: { both: {}, either: {}, plain: {} },
    matcher: {
      matcher_list: {
        matchers: [
          {
            predicate: {
              and_matcher: {
                predicate: [
                  is("ServerNameInput", { suffix: ".test" }),
                  is("DestinationPortInput", { exact: "443" }),
                ],
              },
            },
            on_match: take("both"),
          },
          {
            predicate: {
              or_matcher: {
                predicate: [
                  is("SourceIPInput", { prefix: "10." }),
                  is("SourcePortInput", { exact: "7" }),
                ],
              },
            },
            on_match: take("either"),
          },
          {
            predicate: { not_matcher: is("TransportProtocolInput", { exact: "tls" }) },
            on_match: take("plain"),
          },
        ],
      },
    },
    visits: [
      { name: "a.test", to: "1.1.1.1:443", takes: "both" },
      { from: "10.0.0.1:1", takes: "either" },
      { from: "9.9.9.9:7", takes: "either" },
      { takes: "plain" },
      { name: "a.test", takes: undefined },
    ],
  },
  {
    name: "application protocols are one quoted list; source type; direct source",
    chains: { two: {}, both: {}, local: {}, direct: {} },
    matcher: {
      ...byMap("ApplicationProtocolInput", {
        "'h2'": take("two"),
        "'h2','http/1.1'": take("both"),
      }),
      on_no_match: then({
        ...byMap("SourceTypeInput", { local: take("local") }),
        on_no_match: then(
          byIp("DirectSourceIPInput", [
            { ranges: ranges("127.0.0.0/8"), on_match: take("direct") },
          ]),
        ),
      }),
    },
    visits: [
      { protocols: ["h2"], takes: "two" },
      { protocols: ["h2", "http/1.1"], takes: "both" },
      { from: "127.0.0.1:1", to: "1.1.1.1:1", takes: "local" },
      { from: "5.5.5.5:1", to: "5.5.5.5:2", takes: "local" },
      { takes: "direct" },
    ],
  },
  {
    name: "prefixes: the longest",
    chains: { eight: {}, eighty: {} },
    matcher: byMap(
      "DestinationPortInput",
      { 8: take("eight"), 80: take("eighty") },
      "prefix_match_map",
    ),
    visits: [
      { to: "1.1.1.1:8080", takes: "eighty" },
      { to: "1.1.1.1:81", takes: "eight" },
      { to: "1.1.1.1:90", takes: undefined },
    ],
  },
];

const refused = (
  name: string,
  parts: Parameters<typeof chainsConfig>[0],
  reason: RegExp,
): ParityCase => ({
  name,
  config: chainsConfig(parts),
  upstream: echo(),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refused(
    "an action that is no name",
    {
      chains: { one: {} },
      matcher: { on_no_match: { action: input("ServerNameInput") } },
    },
    /ServerNameInput|StringValue/,
  ),
  refused(
    "a domain twice",
    {
      chains: { one: {} },
      matcher: byName([
        { domains: ["a.test"], on_match: take("one") },
        { domains: ["a.test"], on_match: take("one") },
      ]),
    },
    /[Dd]uplicate domain/,
  ),
];

parityArea("filter-chain-matcher", [...cases.map(chainsCase), ...refusals]);
