import assert from "node:assert/strict";
import { test } from "node:test";
import type { FilterChainMatchJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import { ConfigError } from "#lib/config-error.ts";
import { ipAddress, pipeAddress } from "#net/address.ts";
import { compileFilterChainMatch, type MatchInput } from "./filter-chain-match.ts";

const compile = (matches: Readonly<Record<string, FilterChainMatchJson>>, fallback?: string) =>
  compileFilterChainMatch(
    Object.entries(matches).map(([name, match]) => ({ chain: name, match, name })),
    fallback,
  );

const input = (parts: Partial<MatchInput> = {}): MatchInput => ({
  local: ipAddress("10.0.0.1", 80),
  remote: ipAddress("10.0.0.2", 1000),
  directRemote: ipAddress("10.0.0.3", 1000),
  serverName: "",
  transportProtocol: "raw_buffer",
  applicationProtocols: [],
  ...parts,
});

test("one chain without criteria takes everything", () => {
  assert.equal(compile({ any: {} })(input()), "any");
});

test("only a default chain takes everything", () => {
  assert.equal(compile({}, "fallback")(input()), "fallback");
  assert.equal(compile({})(input()), undefined);
});

test("a Unix socket fits no prefix and is local", () => {
  const match = compile({
    prefix: { prefixRanges: [{ addressPrefix: "0.0.0.0", prefixLen: 0 }] },
    local: { sourceType: "SAME_IP_OR_LOOPBACK" },
  });
  const pipe = { local: pipeAddress("/a"), remote: pipeAddress(""), directRemote: pipeAddress("") };
  assert.equal(match(input(pipe)), "local");
});

test("of wildcards the longest wins, and a wildcard needs a label before it", () => {
  const match = compile({ one: { serverNames: ["*.a.test"] }, two: { serverNames: ["*.test"] } });
  assert.equal(match(input({ serverName: "x.a.test" })), "one");
  assert.equal(match(input({ serverName: "a.test" })), "two");
  assert.equal(match(input({ serverName: ".test" })), undefined);
});

test("chains that meet in one value of each criterion overlap", () => {
  assert.throws(
    () =>
      compile({
        one: { serverNames: ["a.test", "b.test"], sourcePorts: [1, 2] },
        two: { serverNames: ["b.test"], sourcePorts: [2, 3] },
      }),
    ConfigError,
  );
  compile({
    one: { serverNames: ["a.test", "b.test"], sourcePorts: [1, 2] },
    two: { serverNames: ["b.test"], sourcePorts: [3] },
  });
});

test("0.0.0.0/0 asks more than no prefix at all", () => {
  const match = compile({
    all: { prefixRanges: [{ addressPrefix: "0.0.0.0", prefixLen: 0 }] },
    any: {},
  });
  assert.equal(match(input()), "all");
  assert.equal(match(input({ local: ipAddress("2001:db8::1", 80) })), "any");
});
