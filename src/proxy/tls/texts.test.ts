import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RequestHead } from "#http/message.ts";
import { compileAutoSni } from "./auto-sni.ts";
import { handshakeFailure } from "./failure-text.ts";
import { dnsNameMatches } from "./san-matcher.ts";

describe("the server that a request names", () => {
  const named = (authority: string, header?: string) => {
    const head = new RequestHead("GET", "/", authority, 11);
    if (header !== undefined) head.headers.set("x-sni", header);
    return compileAutoSni({
      autoSni: true,
      autoSanValidation: true,
      overrideAutoSniHeader: "X-SNI",
    })?.(head);
  };

  it("is its host without the port, and no address", () => {
    for (const [authority, serverName, mustBeFor] of [
      ["a.test", "a.test", "a.test"],
      ["a.test:8443", "a.test", "a.test"],
      ["10.0.0.1:80", undefined, "10.0.0.1"],
      ["[2001:db8::1]:443", undefined, "2001:db8::1"],
      ["[2001:db8::1]", undefined, "2001:db8::1"],
    ] as const) {
      const name = named(authority);
      assert.equal(name?.serverName, serverName, authority);
      assert.equal(name?.mustBeFor, mustBeFor, authority);
    }
    assert.notEqual(named("a.test")?.key, named("b.test")?.key);
  });

  it("is in another header when the configuration says so", () => {
    assert.equal(named("a.test", "b.test")?.serverName, "b.test");
    assert.equal(named("a.test", "")?.serverName, "a.test");
    assert.equal(compileAutoSni({}), undefined);
  });
});

describe("a certificate's DNS name", () => {
  it("may have an asterisk for its first label", () => {
    assert.ok(dnsNameMatches("A.test", "a.TEST"));
    assert.ok(dnsNameMatches("x.w.test", "*.w.test"));
    for (const [name, pattern] of [
      ["w.test", "*.w.test"],
      ["y.x.w.test", "*.w.test"],
      ["a.test", "*.test"].reverse(),
      ["a.test", "*"],
      ["a.test", "*.test"],
      ["xa.test", "x*.test"],
      [".w.test", "*.w.test"],
    ] as const)
      assert.equal(dnsNameMatches(name ?? "", pattern ?? ""), false, `${name} ${pattern}`);
  });
});

describe("a handshake's failure", () => {
  it("has BoringSSL's numbers and names", () => {
    const failure = (code: string, message: string): string =>
      handshakeFailure(Object.assign(new Error(message), { code }));
    assert.equal(
      failure("ERR_SSL_WRONG_VERSION_NUMBER", "40:error:0A00010B:SSL routines:x:wrong version"),
      "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
    );
    assert.equal(
      failure("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "40:error:0A00045C:SSL routines::x"),
      "TLS_error:|268436572:SSL routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED:TLS_error_end",
    );
    assert.match(
      failure("ERR_SSL_ODD", "no number"),
      /^TLS_error:\|268435456:.*:ODD:TLS_error_end$/,
    );
  });
});
