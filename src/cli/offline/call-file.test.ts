import assert from "node:assert/strict";
import { test } from "node:test";
import { readCall } from "./call-file.ts";

function call(value: object): unknown {
  const read = readCall(value, "call");
  return "call" in read ? read.call : read.problems;
}

test("what a call leaves out is plain HTTP to nowhere in particular", () => {
  assert.deepEqual(call({}), {
    address: "1.3.3.7",
    port: 80,
    protocol: "http",
    tls: "plaintext",
    sni: "",
    alpn: "",
    hostHeader: "",
    path: "/",
    method: "GET",
    headers: [],
    callMode: "outbound",
  });
});

test("TLS names the host, and offers what its protocol is called", () => {
  const offered = (protocol: string, tls: string) => {
    const read = readCall({ port: 80, hostHeader: "a.test", protocol, tls }, "call");
    return "call" in read ? [read.call.sni, read.call.alpn] : read.problems;
  };
  assert.deepEqual(offered("http", "tls"), ["a.test", "http/1.1"]);
  assert.deepEqual(offered("http2", "tls"), ["a.test", "h2"]);
  assert.deepEqual(offered("tcp", "tls"), ["a.test", ""]);
  assert.deepEqual(offered("http", "mtls"), ["", "istio-http/1.1"]);
  assert.deepEqual(offered("http2", "mtls"), ["", "istio-h2"]);
  assert.deepEqual(offered("tcp", "mtls"), ["", "istio"]);
});

test("headers may have several values, and Host is one of them", () => {
  assert.partialDeepStrictEqual(
    call({ port: 80, headers: { Host: "a.test", "x-a": ["1", "2"] } }),
    {
      hostHeader: "a.test",
      headers: [
        ["x-a", "1"],
        ["x-a", "2"],
      ],
    },
  );
});

test("everything that is wrong is named", () => {
  assert.deepEqual(call({ prot: 80, protocol: "https", alpn: "h2", headers: { a: 1 }, path: 5 }), [
    "call.prot: unknown field; a call has address, port, protocol, tls, sni, alpn, hostHeader, path, method, headers, callMode",
    "call.headers.a: a string or a list of strings is expected",
    'call.protocol: "https" is none of http, http2, tcp',
    "call.alpn: only a call with TLS offers protocols",
    "call.path: a string is expected",
  ]);
  assert.deepEqual(call([]), [
    'call: a call is an object, such as {"port": 80, "hostHeader": "reviews"}',
  ]);
});
