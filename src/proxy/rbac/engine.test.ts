import assert from "node:assert/strict";
import { test } from "node:test";
import type { PermissionJson, PrincipalJson } from "#gen/envoy/config/rbac/v3/rbac_pb.js";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { ConfigError } from "#lib/config-error.ts";
import { ipAddress } from "#net/address.ts";
import type { TlsInfo } from "#net/connection.ts";
import { type DownstreamInfo, StreamInfo } from "../stream-info.ts";
import { compileRules, deniedDetails } from "./engine.ts";

function infoOf(more: Partial<DownstreamInfo> = {}): StreamInfo {
  const local = ipAddress("10.0.0.1", 80);
  const remote = ipAddress("10.0.0.2", 4000);
  const downstream = {
    connectionId: 1,
    local,
    directLocal: local,
    remote,
    directRemote: remote,
    tls: undefined,
    requestedServerName: undefined,
    listenerName: "",
    filterChainName: "",
    listenerMetadata: undefined,
    ...more,
  };
  return new StreamInfo(downstream, 0, 0);
}

const tlsInfo: TlsInfo = {
  version: "TLSv1.3",
  cipher: "",
  group: "",
  sni: undefined,
  alpn: undefined,
  sessionReused: false,
  sessionId: "",
  peerPresented: true,
  peerValidated: true,
  peer: undefined,
  peerChain: [],
  local: undefined,
  peerUriSans: [],
  peerDnsSans: [],
  peerSubject: "CN=me",
  localUriSans: [],
  localSubject: "",
};

const head = (path: string, fields: Record<string, string> = {}): RequestHead =>
  new RequestHead("GET", path, "host.test", 11, HeaderList.of(fields));

/** Whether one policy's permission and principal let the request pass. */
function allows(
  rule: { readonly permission?: PermissionJson; readonly principal?: PrincipalJson },
  info: StreamInfo,
  request?: RequestHead,
): boolean {
  const { permission = { any: true }, principal = { any: true } } = rule;
  const policies = { p: { permissions: [permission], principals: [principal] } };
  return compileRules({ policies }).evaluate(info, request).allowed;
}

const anyone = { permissions: [{ any: true }], principals: [{ any: true }] };
const nobody = { permissions: [{ notRule: { any: true } }], principals: [{ any: true }] };

test("actions differ in what a match means", () => {
  const info = infoOf();
  const of = (action: "ALLOW" | "DENY" | "LOG", policy: typeof anyone | typeof nobody) =>
    compileRules({ action, policies: { p: policy } }).evaluate(info, undefined);
  assert.deepEqual(of("ALLOW", anyone), { allowed: true, policy: "p" });
  assert.deepEqual(of("ALLOW", nobody), { allowed: false, policy: undefined });
  assert.deepEqual(of("DENY", anyone), { allowed: false, policy: "p" });
  assert.deepEqual(of("DENY", nobody), { allowed: true, policy: undefined });
  assert.deepEqual(of("LOG", anyone), { allowed: true, policy: "p" });
  assert.deepEqual(of("LOG", nobody), { allowed: true, policy: undefined });
});

test("the first policy by name is the one that matched, and outcomes are the same objects each time", () => {
  const engine = compileRules({ policies: { b: anyone, a: nobody, c: anyone } });
  const outcome = engine.evaluate(infoOf(), undefined);
  assert.equal(outcome.policy, "b");
  assert.equal(engine.evaluate(infoOf(), undefined), outcome);
  assert.ok(engine.outcomes.includes(outcome));
});

test("a refusal's details have no white space", () => {
  assert.equal(
    deniedDetails({ allowed: false, policy: "a b\tc" }),
    "rbac_access_denied_matched_policy[a_b_c]",
  );
  assert.equal(
    deniedDetails({ allowed: false, policy: undefined }),
    "rbac_access_denied_matched_policy[none]",
  );
});

test("a policy without permissions or principals matches nothing", () => {
  const engine = compileRules({
    policies: { p: { permissions: [], principals: [{ any: true }] } },
  });
  assert.equal(engine.evaluate(infoOf(), undefined).allowed, false);
});

test("addresses and ports are the connection's", () => {
  const info = infoOf({
    directRemote: ipAddress("192.168.0.1", 1),
    local: ipAddress("2001:db8::1", 443),
  });
  info.remote = ipAddress("1.2.3.4", 0);
  const network = (addressPrefix: string, prefixLen: number) => ({ addressPrefix, prefixLen });
  const yes = (rule: Parameters<typeof allows>[0]) => allows(rule, info);
  assert.ok(yes({ permission: { destinationIp: network("2001:db8::", 32) } }));
  assert.ok(!yes({ permission: { destinationIp: network("0.0.0.0", 0) } }));
  assert.ok(yes({ permission: { destinationPort: 443 } }));
  assert.ok(yes({ permission: { destinationPortRange: { start: 443, end: 444 } } }));
  assert.ok(!yes({ permission: { destinationPortRange: { start: 442, end: 443 } } }));
  assert.ok(yes({ principal: { sourceIp: network("10.0.0.2", 32) } }));
  assert.ok(yes({ principal: { directRemoteIp: network("192.168.0.0", 16) } }));
  assert.ok(yes({ principal: { remoteIp: network("1.2.3.0", 24) } }));
  assert.ok(!yes({ principal: { remoteIp: network("10.0.0.0", 8) } }));
});

test("a principal is any of its certificate's URI names, DNS names and subject", () => {
  const named = (exact: string) => ({ principal: { authenticated: { principalName: { exact } } } });
  const peerUriSans = ["spiffe://a", "spiffe://b"];
  const info = infoOf({ tls: { ...tlsInfo, peerUriSans, peerDnsSans: ["a.test"] } });
  for (const name of ["spiffe://a", "spiffe://b", "a.test", "CN=me"])
    assert.ok(allows(named(name), info), name);
  assert.ok(!allows(named("spiffe://c"), info));
  assert.ok(!allows(named("CN=me"), infoOf()));
});

test("authenticated without a name is TLS", () => {
  const rule = { principal: { authenticated: {} } };
  assert.ok(allows(rule, infoOf({ tls: { ...tlsInfo, peerPresented: false } })));
  assert.ok(!allows(rule, infoOf()));
});

test("filter state may name a principal", () => {
  const rule = { principal: { filterState: { key: "who", stringMatch: { exact: "me" } } } };
  const info = infoOf();
  assert.ok(!allows(rule, info));
  info.filterState = new Map([["who", "me"]]);
  assert.ok(allows(rule, info));
});

test("paths are matched without query and fragment", () => {
  const path = (matcher: object) => ({ permission: { urlPath: { path: matcher } } });
  const info = infoOf();
  for (const target of ["/a/b", "/a/b?c/b", "/a/b#c", "/a/b#c?d"]) {
    assert.ok(allows(path({ exact: "/a/b" }), info, head(target)), target);
    assert.ok(allows(path({ prefix: "/a/b" }), info, head(target)), target);
    assert.ok(allows(path({ suffix: "/b" }), info, head(target)), target);
    assert.ok(allows(path({ contains: "a/b" }), info, head(target)), target);
    assert.ok(allows(path({ exact: "/A/B", ignoreCase: true }), info, head(target)), target);
    assert.ok(!allows(path({ exact: "/a/b?c/b" }), info, head(target)), target);
    assert.ok(!allows(path({ prefix: "/a/b?" }), info, head(target)), target);
    assert.ok(!allows(path({ suffix: "c/b" }), info, head(target)), target);
    assert.ok(!allows(path({ contains: "c" }), info, head(target)), target);
  }
});

test("a connection has neither headers nor a path", () => {
  const info = infoOf();
  const present = { header: { name: "x-a", presentMatch: true } };
  assert.ok(!allows({ permission: present }, info));
  assert.ok(allows({ permission: { notRule: present } }, info));
  assert.ok(!allows({ permission: { urlPath: { path: { prefix: "/" } } } }, info));
});

test("what is not supported is refused by name", () => {
  const compile = (permission: PermissionJson, principal: PrincipalJson) =>
    compileRules({ policies: { p: { permissions: [permission], principals: [principal] } } });
  const refused = (path: RegExp) => (error: unknown) =>
    error instanceof ConfigError && path.test(error.message);
  const range = { destinationPortRange: { start: 2, end: 2 } };
  assert.throws(() => compile(range, { any: true }), refused(/destination_port_range.*2.*2/));
  assert.throws(() => compile({}, { any: true }), refused(/permissions\[0\]\.rule/));
  assert.throws(() => compile({ any: true }, {}), refused(/principals\[0\]\.identifier/));
  const uriTemplate = { typedConfig: { "@type": "type.googleapis.com/other" } };
  assert.throws(
    () => compile({ uriTemplate }, { any: true }),
    refused(/uri_template.*UriTemplate/),
  );
});
