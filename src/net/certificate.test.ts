import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { Authority } from "../../testkit/pki.ts";
import { Certificate, CertificateCache, nameText, parseAltNames } from "./certificate.ts";

async function issued(options: Parameters<Authority["issue"]>[0]): Promise<Certificate> {
  const authority = await Authority.create();
  return new Certificate(new X509Certificate((await authority.issue(options)).certificate));
}

describe("a certificate's alternative names", () => {
  it("are told apart by kind", async () => {
    const { altNames } = await issued({
      dns: ["a.test", "*.b.test"],
      uri: ["spiffe://cluster.local/ns/a/sa/b"],
      email: ["me@a.test"],
      ip: ["10.0.0.1", "2001:db8::1"],
    });
    assert.deepEqual(altNames, {
      dns: ["a.test", "*.b.test"],
      uri: ["spiffe://cluster.local/ns/a/sa/b"],
      email: ["me@a.test"],
      ip: ["10.0.0.1", "2001:db8::1"],
    });
  });

  it("keep commas, quotes, backslashes and NUL: one name never reads as two", async () => {
    const tricky = [
      "a.test, DNS:evil.test",
      'a.test", DNS:"evil.test',
      "a.test\\",
      "a.test\0.evil.test",
      "a.test,URI:spiffe://evil/x",
      " a.test",
    ];
    const { altNames } = await issued({ dns: tricky, uri: ["x, URI:spiffe://evil/y"] });
    assert.deepEqual(altNames.dns, tricky);
    assert.deepEqual(altNames.uri, ["x, URI:spiffe://evil/y"]);
  });

  it("are none when there is no extension, or nothing that can be read", async () => {
    assert.deepEqual((await issued({})).altNames, { dns: [], uri: [], email: [], ip: [] });
    assert.deepEqual(parseAltNames('DNS:"a').dns, []);
    assert.deepEqual(parseAltNames("othername:<unsupported>, DNS:a.test").dns, ["a.test"]);
    assert.deepEqual(parseAltNames("DirName:CN = x, DNS:a.test").dns, ["a.test"]);
  });
});

describe("a certificate's text", () => {
  it("has its names as RFC 2253 orders them", async () => {
    const certificate = await issued({ subject: "C=US, O=Test\\, Inc, CN=a b" });
    assert.equal(certificate.subject, "CN=a b,O=Test\\, Inc,C=US");
    assert.equal(certificate.issuer, "CN=Test CA");
    assert.equal(nameText("O=Žluť\nCN=a + OU=b\\+c"), "CN=a+OU=b\\+c,O=\\C5\\BDlu\\C5\\A5");
    assert.equal(nameText(""), "");
  });

  it("has fingerprints and serial in lower-case hexadecimal", async () => {
    const certificate = await issued({});
    assert.match(certificate.fingerprint256, /^[0-9a-f]{64}$/);
    assert.match(certificate.fingerprint1, /^[0-9a-f]{40}$/);
    assert.match(certificate.serial, /^[0-9a-f]+$/);
    assert.match(certificate.urlEncodedPem, /^-----BEGIN%20CERTIFICATE-----%0A/);
    assert.ok(certificate.validFromMs < certificate.validToMs);
  });
});

describe("the cache of certificates", () => {
  it("reads the same certificate once, and forgets at its limit", async () => {
    const authority = await Authority.create();
    const [a, b] = await Promise.all([authority.issue(), authority.issue()]);
    const cache = new CertificateCache(1);
    const first = cache.of(new X509Certificate(a.certificate));
    assert.equal(cache.of(new X509Certificate(a.certificate)), first);
    cache.of(new X509Certificate(b.certificate));
    assert.notEqual(cache.of(new X509Certificate(a.certificate)), first);
  });
});
