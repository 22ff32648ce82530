import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { RequestHead } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import { type DownstreamInfo, StreamInfo } from "../../../stream-info.ts";
import { compileRequestPreparation } from "./client-address.ts";

type Config = Parameters<typeof compileRequestPreparation>[0];

const node = { id: "", cluster: "", hostname: "", zone: "" };
const random = { unit: () => 0, below: () => 0, uuid: () => "new-id" };

/** Header fields as the upstream gets them, and the address that counts as the client's. */
function prepared(config: Config, fields: string[] = [], peer = "127.0.0.1"): [string[], string] {
  const remote = ipAddress(peer, 1234);
  const local = ipAddress("127.0.0.1", 80);
  const downstream: DownstreamInfo = {
    ...{ connectionId: 1, local, directLocal: local, remote, directRemote: remote },
    ...{ tls: undefined, requestedServerName: undefined, listenerMetadata: undefined },
    ...{ listenerName: "", filterChainName: "" },
  };
  const info = new StreamInfo(downstream, 0, 0);
  const head = new RequestHead("GET", "/", "host.test", 11, new HeaderList(fields));
  compileRequestPreparation(config, { random, node }, () => "192.0.2.2")(head, info);
  const lines: string[] = [];
  for (const [name, value] of head.headers) lines.push(`${name}: ${value}`);
  return [lines, info.remote.ip];
}

// Orders and values as real Envoy 1.40 sent them.
test("at the edge: forwarded headers, external address, id, in this order", () => {
  assert.deepEqual(prepared({ useRemoteAddress: true, via: "hv" }), [
    [
      "x-forwarded-for: 192.0.2.2",
      "x-forwarded-proto: http",
      "via: hv",
      "x-envoy-external-address: 127.0.0.1",
      "x-request-id: new-id",
    ],
    "127.0.0.1",
  ]);
});

test("at the edge a client's own words are replaced or removed", () => {
  const [lines] = prepared({ useRemoteAddress: true }, [
    ...["x-forwarded-for", "1.2.3.4", "x-forwarded-proto", "https", "x-envoy-internal", "true"],
    ...["x-envoy-retry-on", "5xx", "x-envoy-foo", "1", "x-request-id", "mine", "x-real-ip", "1"],
    ...["x-envoy-original-path", "/x", "x-forwarded-client-cert", "By=a"],
  ]);
  assert.deepEqual(lines, [
    "x-forwarded-for: 1.2.3.4,192.0.2.2",
    "x-forwarded-proto: http",
    "x-envoy-foo: 1",
    "x-request-id: new-id",
    "x-real-ip: 1",
    "x-envoy-external-address: 127.0.0.1",
  ]);
});

test("inside, forwarded headers and ids are believed, control headers are not", () => {
  const [lines, remote] = prepared({}, [
    ...["x-forwarded-for", "1.2.3.4", "x-forwarded-proto", "https", "x-request-id", "mine"],
    ...["x-envoy-retry-on", "5xx", "x-envoy-original-path", "/x"],
  ]);
  assert.deepEqual(lines, [
    "x-forwarded-for: 1.2.3.4",
    "x-forwarded-proto: https",
    "x-request-id: mine",
    "x-envoy-original-path: /x",
  ]);
  assert.equal(remote, "1.2.3.4");
});

const addresses: readonly (readonly [Config, string[], string])[] = [
  [{ useRemoteAddress: true }, ["1.2.3.4"], "127.0.0.1"],
  [{ useRemoteAddress: true, xffNumTrustedHops: 1 }, ["9.9.9.9, 1.2.3.4"], "1.2.3.4"],
  [{ useRemoteAddress: true, xffNumTrustedHops: 2 }, ["9.9.9.9, 8.8.8.8"], "9.9.9.9"],
  [{ useRemoteAddress: true, xffNumTrustedHops: 2 }, ["8.8.8.8"], "127.0.0.1"],
  [{ xffNumTrustedHops: 1 }, ["9.9.9.9, 8.8.8.8"], "9.9.9.9"],
  [{ xffNumTrustedHops: 1 }, ["8.8.8.8"], "127.0.0.1"],
  [{}, ["10.1.1.1:80"], "127.0.0.1"],
  [{}, ["junk"], "127.0.0.1"],
  [{}, [""], "127.0.0.1"],
  [{}, ["1.1.1.1", "2.2.2.2"], "2.2.2.2"],
  [{}, ["2001:db8::1"], "2001:db8::1"],
];
for (const [config, forwarded, expected] of addresses) {
  test(`${JSON.stringify(config)} with ${JSON.stringify(forwarded)} is ${expected}`, () => {
    const fields = forwarded.flatMap((value) => ["x-forwarded-for", value]);
    assert.equal(prepared(config, fields)[1], expected);
  });
}

const internal: Config = {
  internalAddressConfig: { cidrRanges: [{ addressPrefix: "10.0.0.0", prefixLen: 8 }] },
};

test("only one address that no header could forge makes a request internal", () => {
  const isInternal = (config: Config, forwarded?: string, peer?: string): boolean =>
    prepared(
      config,
      forwarded === undefined ? [] : ["x-forwarded-for", forwarded],
      peer,
    )[0].includes("x-envoy-internal: true");
  assert.equal(isInternal(internal, "10.1.1.1"), true);
  assert.equal(isInternal(internal, "10.1.1.1,10.1.1.2"), false);
  assert.equal(isInternal(internal), false);
  const edge = { ...internal, useRemoteAddress: true };
  assert.equal(isInternal(edge, undefined, "10.0.0.5"), true);
  assert.equal(isInternal(edge, "10.1.1.1", "10.0.0.5"), false);
  assert.equal(isInternal({ useRemoteAddress: true }, undefined, "10.0.0.5"), false);
});

test("internal requests keep their control headers", () => {
  const [lines] = prepared(internal, [
    "x-forwarded-for",
    "10.1.1.1",
    "x-envoy-retry-on",
    "5xx",
    "x-forwarded-client-cert",
    "By=a",
  ]);
  assert.equal(lines.includes("x-forwarded-client-cert: By=a"), false);
  assert.ok(lines.includes("x-envoy-retry-on: 5xx"));
});

test("skip_xff_append leaves x-forwarded-for alone", () => {
  const config = { useRemoteAddress: true, skipXffAppend: true };
  assert.equal(prepared(config, ["x-forwarded-for", "1.2.3.4"])[0][0], "x-forwarded-for: 1.2.3.4");
});

test("request ids: kept at the edge when asked for, not made when not wanted", () => {
  const keep = { useRemoteAddress: true, preserveExternalRequestId: true };
  assert.ok(prepared(keep, ["x-request-id", "mine"])[0].includes("x-request-id: mine"));
  assert.deepEqual(prepared({ generateRequestId: false })[0], ["x-forwarded-proto: http"]);
});

test("via is appended", () => {
  assert.equal(prepared({ via: "hv" }, ["via", "1.1 x"])[0][0], "via: 1.1 x, hv");
});

test("an address range that is none is refused", () => {
  assert.throws(
    () => prepared({ internalAddressConfig: { cidrRanges: [{ addressPrefix: "x" }] } }),
    /malformed IP address/,
  );
});
