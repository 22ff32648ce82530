import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteAction_HashPolicyJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { Word64 } from "#lib/word64.ts";
import { ipAddress, pipeAddress } from "#net/address.ts";
import { streamInfo } from "../../../testkit/stream-info.ts";
import { hashText } from "../balancer/hash-policy.ts";
import { HashableString } from "../hashable.ts";
import type { StreamInfo } from "../stream-info.ts";
import { addHashCookies, compileConnectionHashPolicy, compileHashPolicy } from "./hash-policy.ts";

function info(ip = "10.0.0.1"): StreamInfo {
  const address = ip.startsWith("/") ? pipeAddress(ip) : ipAddress(ip, 1234);
  return streamInfo({ remote: address });
}

const head = (...fields: string[]): RequestHead =>
  new RequestHead("GET", "/?q=1", "host", 11, new HeaderList(fields));
const of = (text: string): string => {
  const hash = new Word64();
  hashText(hash, text);
  return hash.hex;
};

function hashed(
  policies: readonly RouteAction_HashPolicyJson[],
  request: RequestHead | undefined = head(),
  about: StreamInfo = info(),
): string | undefined {
  const hash = new Word64();
  return compileHashPolicy(policies)?.(hash, request, about) === true ? hash.hex : undefined;
}

test("no policy is none", () => {
  assert.equal(compileHashPolicy(undefined), undefined);
  assert.equal(compileHashPolicy([]), undefined);
  assert.equal(compileConnectionHashPolicy([]), undefined);
});

test("filter state: only an object that has a hash", () => {
  const policy = { filterState: { key: "who" } };
  const about = info();
  assert.equal(hashed([policy], head(), about), undefined);
  about.filterState = new Map<string, unknown>([["who", "me"]]);
  assert.equal(hashed([policy], head(), about), undefined);
  about.filterState.set("who", new HashableString("me"));
  assert.equal(hashed([policy], head(), about), of("me"));
  const hash = new Word64();
  assert.equal(compileConnectionHashPolicy([policy])?.(hash, undefined, about), true);
  assert.equal(hash.hex, of("me"));
});

test("source_ip: the address alone, and none of a Unix socket", () => {
  const policy = { connectionProperties: { sourceIp: true } };
  assert.equal(hashed([policy]), of("10.0.0.1"));
  assert.equal(hashed([policy], head(), info("2001:db8::1")), of("2001:db8::1"));
  assert.equal(hashed([policy], head(), info("/run/x")), undefined);
});

test("source_ip: the client's address as the connection manager found it", () => {
  const about = info();
  about.remote = ipAddress("192.0.2.9", 0);
  const policy = { connectionProperties: { sourceIp: true } };
  assert.equal(hashed([policy], head(), about), of("192.0.2.9"));
});

test("two equal policies do not cancel each other out", () => {
  const policy = { header: { headerName: "X-Key" } };
  const request = head("x-key", "v");
  const twice = hashed([policy, policy], request);
  assert.notEqual(twice, of("v"));
  assert.notEqual(twice, "0".repeat(16));
});

test("without a request only the connection's policies have a value", () => {
  const policies = [
    { header: { headerName: "x-key" } },
    { header: { headerName: "x-key", regexRewrite: { pattern: { regex: "." } } } },
    { cookie: { name: "c" } },
    { queryParameter: { name: "q" } },
  ];
  const hash = new Word64();
  assert.equal(compileHashPolicy(policies)?.(hash, undefined, info()), false);
});

test("a cookie is made once, however often the request is tried", () => {
  const about = info();
  const policy = { cookie: { name: "c", ttl: "5s" } };
  const first = hashed([policy], head(), about);
  assert.equal(hashed([policy], head(), about), first);
  const response = new HeaderList(["set-cookie", "own=1"]);
  addHashCookies(response, about);
  const value = of("10.0.0.1:123410.1.0.1:80");
  assert.deepEqual(response.getAll("set-cookie"), ["own=1", `c="${value}"; Max-Age=5; HttpOnly`]);
  assert.equal(first, of(value));
});

test("a policy without its specifier is refused", () => {
  assert.throws(() => compileHashPolicy([{}]), /hash_policy\[0\].policy_specifier/);
  assert.throws(() => compileConnectionHashPolicy([{}]), /hash_policy\[0\].policy_specifier/);
});
