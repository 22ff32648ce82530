import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import type { TlsInfo } from "#net/connection.ts";
import { compileClientCertificate } from "./client-certificate.ts";

// Only what the header is made of; the rest of a connection's facts plays no part.
const mutual = {
  peerPresented: true,
  peer: { fingerprint256: "ab12", urlEncodedPem: "PEM%0A" },
  peerChain: [{ urlEncodedPem: "PEM%0A" }, { urlEncodedPem: "CA%0A" }],
  peerSubject: "CN=client,O=a",
  peerUriSans: ["spiffe://td/ns/a/sa/b"],
  peerDnsSans: ["a.example", "b.example"],
  localUriSans: ["spiffe://td/ns/s/sa/s"],
} as unknown as TlsInfo;

type Config = Parameters<typeof compileClientCertificate>[0];

function header(config: Config, tls: TlsInfo | undefined, received?: string): string | undefined {
  const headers = new HeaderList();
  if (received !== undefined) headers.add("x-forwarded-client-cert", received);
  compileClientCertificate(config)(headers, tls);
  return headers.get("x-forwarded-client-cert");
}

const by = "By=spiffe://td/ns/s/sa/s;Hash=ab12";

test("SANITIZE, the default, removes it whoever sends it", () => {
  assert.equal(header({}, mutual, "Hash=1"), undefined);
  assert.equal(header({ forwardClientCertDetails: "SANITIZE" }, undefined, "Hash=1"), undefined);
});

test("FORWARD_ONLY believes only a client with a certificate", () => {
  const config: Config = { forwardClientCertDetails: "FORWARD_ONLY" };
  assert.equal(header(config, mutual, "Hash=1"), "Hash=1");
  assert.equal(header(config, undefined, "Hash=1"), undefined);
  assert.equal(header(config, { ...mutual, peerPresented: false }, "Hash=1"), undefined);
});

test("ALWAYS_FORWARD_ONLY believes everybody", () => {
  const config: Config = { forwardClientCertDetails: "ALWAYS_FORWARD_ONLY" };
  assert.equal(header(config, undefined, "Hash=1"), "Hash=1");
});

test("SANITIZE_SET replaces, APPEND_FORWARD appends", () => {
  assert.equal(header({ forwardClientCertDetails: "SANITIZE_SET" }, mutual, "Hash=1"), by);
  assert.equal(
    header({ forwardClientCertDetails: "APPEND_FORWARD" }, mutual, "Hash=1"),
    `Hash=1,${by}`,
  );
  assert.equal(header({ forwardClientCertDetails: "APPEND_FORWARD" }, mutual), by);
});

test("details come in Envoy's order, subject and URI even when empty", () => {
  const config: Config = {
    forwardClientCertDetails: "SANITIZE_SET",
    setCurrentClientCertDetails: { subject: true, cert: true, chain: true, dns: true, uri: true },
  };
  assert.equal(
    header(config, mutual),
    `${by};Cert="PEM%0A";Chain="PEM%0ACA%0A";Subject="CN=client,O=a";URI=spiffe://td/ns/a/sa/b;DNS=a.example;DNS=b.example`,
  );
  const bare = { ...mutual, peerSubject: "", peerUriSans: [], peerDnsSans: [], peerChain: [] };
  assert.equal(header(config, bare), `${by};Cert="PEM%0A";Subject="";URI=`);
});
