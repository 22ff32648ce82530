import assert from "node:assert/strict";
import { echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import { type ChainsCase, chainsCase, chainsConfig, ranges } from "./harness/filter-chains.ts";

const criteria: readonly ChainsCase[] = [
  {
    name: "destination_port",
    chains: { eighty: { destination_port: 80 }, any: {} },
    visits: [
      { to: "1.1.1.1:80", takes: "eighty" },
      { to: "1.1.1.1:81", takes: "any" },
    ],
  },
  {
    name: "prefix_ranges: the longest prefix that fits",
    chains: {
      eight: { prefix_ranges: ranges("10.0.0.0/8") },
      sixteen: { prefix_ranges: ranges("10.1.0.0/16", "2001:db8::/32") },
      host: { prefix_ranges: ranges("10.1.2.3/32") },
    },
    visits: [
      { to: "10.2.0.1:80", takes: "eight" },
      { to: "10.1.0.1:80", takes: "sixteen" },
      { to: "10.1.2.3:80", takes: "host" },
      { from: "::1:80", to: "2001:db8::1:80", takes: "sixteen" },
      { to: "11.0.0.1:80", takes: undefined },
    ],
  },
  {
    name: "server_names: exact, then the longest wildcard, then none",
    chains: {
      exact: { server_names: ["a.b.test", "c.test"] },
      long: { server_names: ["*.b.test"] },
      short: { server_names: ["*.test"] },
      none: {},
    },
    visits: [
      { name: "a.b.test", takes: "exact" },
      { name: "c.test", takes: "exact" },
      { name: "x.b.test", takes: "long" },
      { name: "x.y.b.test", takes: "long" },
      { name: "b.test", takes: "short" },
      { name: "test", takes: "none" },
      { name: "a.example", takes: "none" },
      { takes: "none" },
    ],
  },
  {
    name: "transport_protocol",
    chains: { tls: { transport_protocol: "tls" }, raw: { transport_protocol: "raw_buffer" } },
    visits: [{ name: "a", takes: "tls" }, { takes: "raw" }],
  },
  {
    name: "application_protocols: the first that the client names",
    chains: {
      two: { application_protocols: ["h2"] },
      one: { application_protocols: ["http/1.1", "http/1.0"] },
      any: {},
    },
    visits: [
      { protocols: ["h2", "http/1.1"], takes: "two" },
      { protocols: ["http/1.1", "h2"], takes: "one" },
      { protocols: ["foo", "http/1.0", "h2"], takes: "one" },
      { protocols: ["foo"], takes: "any" },
      { takes: "any" },
    ],
  },
  {
    name: "direct_source_prefix_ranges look at the socket",
    chains: {
      local: { direct_source_prefix_ranges: ranges("127.0.0.0/8") },
      far: { direct_source_prefix_ranges: ranges("9.0.0.0/8") },
    },
    visits: [{ from: "9.9.9.9:9", takes: "local" }],
  },
  {
    name: "source_type: loopback or the same address is local",
    chains: {
      local: { source_type: "SAME_IP_OR_LOOPBACK" },
      external: { source_type: "EXTERNAL" },
    },
    visits: [
      { from: "127.0.0.1:1", to: "8.8.8.8:8", takes: "local" },
      { from: "7.7.7.7:1", to: "7.7.7.7:8", takes: "local" },
      { from: "7.7.7.7:1", to: "8.8.8.8:8", takes: "external" },
      { from: "::1:1", to: "2001:db8::1:8", takes: "local" },
    ],
  },
  {
    name: "source_prefix_ranges",
    chains: {
      eight: { source_prefix_ranges: ranges("10.0.0.0/8") },
      twelve: { source_prefix_ranges: ranges("10.16.0.0/12") },
      six: { source_prefix_ranges: ranges("2001:db8::/32") },
    },
    visits: [
      { from: "10.1.0.1:1", takes: "eight" },
      { from: "10.17.0.1:1", takes: "twelve" },
      { from: "2001:db8::9:1", to: "2001:db8::1:80", takes: "six" },
      { from: "11.0.0.1:1", takes: undefined },
    ],
  },
  {
    name: "source_ports",
    chains: { some: { source_ports: [1000, 2000] }, any: {} },
    visits: [
      { from: "9.9.9.9:1000", takes: "some" },
      { from: "9.9.9.9:2000", takes: "some" },
      { from: "9.9.9.9:3000", takes: "any" },
    ],
  },
];

const order: readonly ChainsCase[] = [
  {
    name: "a criterion that fits is not gone back on: port before prefix",
    chains: {
      port: { destination_port: 80, prefix_ranges: ranges("10.0.0.0/8") },
      prefix: { prefix_ranges: ranges("11.0.0.0/8") },
    },
    visits: [
      { to: "10.0.0.1:80", takes: "port" },
      { to: "11.0.0.1:81", takes: "prefix" },
      { to: "11.0.0.1:80", takes: undefined },
    ],
  },
  {
    name: "prefix before server name",
    chains: {
      long: { prefix_ranges: ranges("10.1.0.0/16"), server_names: ["a.test"] },
      short: { prefix_ranges: ranges("10.0.0.0/8"), server_names: ["b.test"] },
    },
    visits: [
      { to: "10.1.0.1:1", name: "a.test", takes: "long" },
      { to: "10.2.0.1:1", name: "b.test", takes: "short" },
      { to: "10.1.0.1:1", name: "b.test", takes: undefined },
    ],
  },
  {
    name: "server name before transport protocol",
    chains: {
      named: { server_names: ["a.test"], transport_protocol: "raw_buffer" },
      tls: { transport_protocol: "tls" },
    },
    visits: [
      { name: "b.test", takes: "tls" },
      { name: "a.test", takes: undefined },
    ],
  },
  {
    name: "an exact name that then fails does not fall back to a wildcard",
    chains: {
      exact: { server_names: ["a.test"], application_protocols: ["h2"] },
      wildcard: { server_names: ["*.test"] },
    },
    visits: [
      { name: "a.test", protocols: ["h2"], takes: "exact" },
      { name: "a.test", takes: undefined },
      { name: "b.test", takes: "wildcard" },
    ],
  },
  {
    name: "transport protocol before application protocol",
    chains: {
      tls: { transport_protocol: "tls", application_protocols: ["http/1.1"] },
      h2: { application_protocols: ["h2"] },
    },
    visits: [
      { protocols: ["http/1.1"], takes: "tls" },
      { protocols: ["h2"], takes: undefined },
    ],
  },
  {
    name: "application protocol before direct source",
    chains: {
      h2: {
        application_protocols: ["h2"],
        direct_source_prefix_ranges: ranges("9.0.0.0/8"),
      },
      local: { direct_source_prefix_ranges: ranges("127.0.0.0/8") },
    },
    visits: [
      { protocols: ["http/1.1"], takes: "local" },
      { protocols: ["h2"], takes: undefined },
    ],
  },
  {
    name: "direct source before source type",
    chains: {
      direct: {
        direct_source_prefix_ranges: ranges("127.0.0.0/8"),
        source_type: "SAME_IP_OR_LOOPBACK",
      },
      external: { source_type: "EXTERNAL" },
    },
    visits: [
      { from: "127.0.0.1:1", takes: "direct" },
      { from: "9.9.9.9:9", takes: undefined },
    ],
  },
  {
    name: "source type before source prefix",
    chains: {
      external: { source_type: "EXTERNAL", source_prefix_ranges: ranges("10.0.0.0/8") },
      prefix: { source_prefix_ranges: ranges("11.0.0.0/8") },
    },
    visits: [
      { from: "10.0.0.1:1", takes: "external" },
      { from: "11.0.0.1:1", takes: undefined },
    ],
  },
  {
    name: "source prefix before source port",
    chains: {
      prefix: { source_prefix_ranges: ranges("10.0.0.0/8"), source_ports: [1000] },
      port: { source_ports: [2000] },
    },
    visits: [
      { from: "10.0.0.1:1000", takes: "prefix" },
      { from: "11.0.0.1:2000", takes: "port" },
      { from: "10.0.0.1:2000", takes: undefined },
    ],
  },
  {
    name: "every criterion at once",
    chains: {
      all: {
        destination_port: 80,
        prefix_ranges: ranges("10.0.0.0/8"),
        server_names: ["*.test"],
        transport_protocol: "tls",
        application_protocols: ["h2"],
        direct_source_prefix_ranges: ranges("127.0.0.1/32"),
        source_type: "EXTERNAL",
        source_prefix_ranges: ranges("11.0.0.0/8"),
        source_ports: [1000],
      },
    },
    visits: [
      {
        from: "11.0.0.1:1000",
        to: "10.0.0.1:80",
        name: "a.test",
        protocols: ["h2"],
        takes: "all",
      },
      {
        from: "11.0.0.1:1001",
        to: "10.0.0.1:80",
        name: "a.test",
        protocols: ["h2"],
        takes: undefined,
      },
    ],
  },
  {
    name: "default_filter_chain takes what nothing else takes, also after a part of the way",
    hasDefault: true,
    chains: { port: { destination_port: 80, server_names: ["a.test"] } },
    visits: [
      { to: "1.1.1.1:80", name: "a.test", takes: "port" },
      { to: "1.1.1.1:80", name: "b.test", takes: "default" },
      { to: "1.1.1.1:81", takes: "default" },
    ],
  },
];

const refusedCase = (
  name: string,
  chains: Readonly<Record<string, JsonObject>>,
  reason: RegExp,
): ParityCase => ({
  name,
  config: chainsConfig({ chains }),
  upstream: echo(),
  own: { start: false },
  run: async (t) => {
    const { code, output } = await t.command("--mode", "validate");
    assert.equal(code, 1, output);
    assert.match(output, reason);
  },
});

const refusals: readonly ParityCase[] = [
  refusedCase(
    "two chains that ask for the same are refused",
    { one: { destination_port: 80 }, two: { destination_port: 80 } },
    /filter chain 'two' has the same matching rules defined as 'one'/,
  ),
  refusedCase(
    "chains that overlap in one of several values are refused",
    { one: { server_names: ["a.test", "b.test"] }, two: { server_names: ["b.test", "c.test"] } },
    /multiple filter chains with overlapping matching rules are defined/,
  ),
  refusedCase(
    "a wildcard inside a label is refused",
    { one: { server_names: ["a*.test"] } },
    /partial wildcards are not supported in "server_names"/,
  ),
  refusedCase(
    "a malformed prefix is refused",
    { one: { prefix_ranges: ranges("10.1.0/8") } },
    /malformed IP address: 10\.1\.0/,
  ),
];

parityArea("filter-chain-match", [
  ...criteria.map(chainsCase),
  ...order.map(chainsCase),
  ...refusals,
]);
