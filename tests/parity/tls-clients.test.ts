import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { answer, response } from "../../testkit/fake-upstream.ts";
import type { Issued } from "../../testkit/pki.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, fileAccessLog, route } from "./harness/config.ts";
import type { JsonObject } from "./harness/placeholders.ts";
import {
  as,
  certificates,
  downstreamTls,
  https,
  inline,
  intermediate,
  mutual,
  otherAuthority,
  refused,
  revocationList,
  secureGet,
  trust,
} from "./harness/tls.ts";

const hello = { routes: [route({ prefix: "/" }, direct("hello"))] };
const { client } = certificates;

const below = await intermediate.issue({ subject: "CN=revoked below", dns: ["client.test"] });
const intermediateRevocationList = await intermediate.revoke([below]);
const revokedBelow = { certificate: below.certificate + intermediate.certificate, key: below.key };

/** One listener, clients it takes and clients it refuses, and what it counted. */
function clients(options: {
  readonly name: string;
  readonly socket: JsonObject;
  readonly taken?: readonly (Issued | undefined)[];
  readonly refused?: readonly (Issued | undefined)[];
  readonly stats?: Readonly<Record<string, number>>;
}): ParityCase {
  const credentials = (one: Issued | undefined) => (one === undefined ? {} : as(one));
  return {
    name: options.name,
    config: https(options.socket, hello),
    run: async (t) => {
      for (const one of options.taken ?? [])
        assert.equal((await secureGet(t, "/", credentials(one))).body, "hello");
      for (const one of options.refused ?? []) await refused(t, credentials(one));
      await t.stats(
        Object.fromEntries(
          Object.entries({ handshake: options.taken?.length ?? 0, ...options.stats }).map(
            ([name, value]) => [`listener.{case}.ssl.${name}`, value],
          ),
        ),
      );
    },
  };
}

const san = (type: string, matcher: JsonObject): JsonObject => ({
  match_typed_subject_alt_names: [{ san_type: type, matcher }],
});

/** A listener that takes the client's alternative name, and one that does not. */
const names = (type: string, good: JsonObject, bad: JsonObject): ParityCase[] => [
  clients({
    name: `${type} names that match ${JSON.stringify(good)}`,
    socket: mutual(trust(san(type, good))),
    taken: [client],
    refused: [certificates.nameless],
    stats: { fail_verify_san: 1, fail_verify_error: 0 },
  }),
  clients({
    name: `${type} names that do not match ${JSON.stringify(bad)}`,
    socket: mutual(trust(san(type, bad))),
    refused: [client],
    stats: { fail_verify_san: 1 },
  }),
];

const fingerprint = new X509Certificate(client.certificate).fingerprint256;
const spki = createHash("sha256")
  .update(new X509Certificate(client.certificate).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64");
const chained: Issued = {
  ...certificates.deep,
  certificate: certificates.deep.certificate + intermediate.certificate,
};

parityArea("tls-clients", [
  clients({
    name: "requires a certificate of its authority",
    socket: mutual(),
    taken: [client],
    refused: [undefined, certificates.stranger, certificates.expired],
    stats: {
      fail_verify_no_cert: 1,
      fail_verify_error: 2,
      no_certificate: 0,
      connection_error: 0,
    },
  }),
  clients({
    name: "takes a client without a certificate when none is required",
    socket: downstreamTls({ validation: trust() }),
    taken: [undefined, client],
    refused: [certificates.stranger],
    stats: { no_certificate: 1, fail_verify_error: 1 },
  }),
  clients({
    name: "does not ask for a certificate without something to check it with",
    socket: downstreamTls({ context: { require_client_certificate: true } }),
    taken: [undefined, certificates.stranger],
    stats: { no_certificate: 2 },
  }),
  clients({
    name: "takes any certificate with ACCEPT_UNTRUSTED, and counts",
    socket: mutual(trust({ trust_chain_verification: "ACCEPT_UNTRUSTED" })),
    taken: [client, certificates.stranger, certificates.expired],
    refused: [undefined],
    stats: { fail_verify_error: 2, fail_verify_no_cert: 1 },
  }),
  clients({
    name: "takes an expired certificate when told to, of its own authority only",
    socket: mutual(trust({ allow_expired_certificate: true })),
    taken: [client, certificates.expired],
    refused: [certificates.stranger],
    stats: { fail_verify_error: 1 },
  }),
  clients({
    name: "follows a chain to its authority",
    socket: mutual(),
    taken: [chained],
    refused: [certificates.deep],
    stats: { fail_verify_error: 1 },
  }),
  clients({
    name: "trusts an intermediate without its root",
    socket: mutual({ trusted_ca: inline(intermediate.certificate) }),
    taken: [certificates.deep],
    refused: [client],
  }),
  clients({
    name: "trusts each of several authorities",
    socket: mutual({
      trusted_ca: inline(`${otherAuthority.certificate}${intermediate.certificate}`),
    }),
    taken: [certificates.stranger, certificates.deep],
    refused: [client],
  }),
  clients({
    name: "max_verify_depth counts the authorities above the certificate",
    socket: mutual(trust({ max_verify_depth: 1 })),
    taken: [client],
    refused: [chained],
    stats: { fail_verify_error: 1 },
  }),
  clients({
    name: "refuses what the revocation list has",
    socket: mutual(trust({ crl: inline(revocationList) })),
    taken: [client],
    refused: [certificates.revoked],
    stats: { fail_verify_error: 1 },
  }),
  clients({
    name: "wants a revocation list of every authority in the chain",
    socket: mutual(trust({ crl: inline(revocationList) })),
    refused: [chained],
    stats: { fail_verify_error: 1 },
  }),
  clients({
    name: "only_verify_leaf_cert_crl wants the list of the certificate's own authority only",
    socket: mutual(
      trust({ crl: inline(intermediateRevocationList), only_verify_leaf_cert_crl: true }),
    ),
    taken: [chained],
    refused: [{ ...chained, ...revokedBelow }],
    stats: { fail_verify_error: 1 },
  }),
  clients({
    name: "verify_certificate_hash pins a certificate, with colons or without",
    socket: mutual({
      verify_certificate_hash: [fingerprint, "00".repeat(32), fingerprint.replaceAll(":", "")],
    }),
    taken: [client],
    refused: [certificates.a, undefined],
    stats: { fail_verify_cert_hash: 1, fail_verify_no_cert: 1 },
  }),
  clients({
    name: "verify_certificate_spki pins a key",
    socket: mutual({ verify_certificate_spki: [spki] }),
    taken: [client],
    refused: [certificates.a],
    stats: { fail_verify_cert_hash: 1 },
  }),
  clients({
    name: "a hash or a key is enough, and the authority is checked too",
    socket: mutual(
      trust({ verify_certificate_hash: ["00".repeat(32)], verify_certificate_spki: [spki] }),
    ),
    taken: [client],
    refused: [certificates.a, certificates.stranger],
    stats: { fail_verify_cert_hash: 1, fail_verify_error: 1 },
  }),
  ...names("URI", { prefix: "spiffe://td/ns/default/" }, { exact: "spiffe://td/ns/default" }),
  ...names(
    "URI",
    { safe_regex: { regex: "spiffe://td/ns/[a-z]+/sa/client" } },
    { safe_regex: { regex: "spiffe://td/ns" } },
  ),
  ...names("DNS", { exact: "client.test" }, { exact: "wild.test" }),
  ...names("DNS", { exact: "any.wild.test" }, { exact: "a.b.wild.test" }),
  ...names("DNS", { suffix: ".wild.test" }, { suffix: "spiffe://td/ns/default/sa/client" }),
  ...names("EMAIL", { exact: "client@mail.test" }, { exact: "client.test" }),
  ...names("IP_ADDRESS", { exact: "2001:db8::1" }, { exact: "10.0.0.2" }),
  ...names("URI", { contains: "/sa/cl" }, { exact: "SPIFFE://td/ns/default/sa/client" }),
  {
    name: "one of several name matchers is enough",
    config: https(
      mutual(
        trust({
          match_typed_subject_alt_names: [
            { san_type: "DNS", matcher: { exact: "nobody.test" } },
            { san_type: "URI", matcher: { prefix: "spiffe://td/" } },
          ],
        }),
      ),
      hello,
    ),
    run: async (t) => {
      assert.equal((await secureGet(t, "/", as(client))).status, 200);
    },
  },
  {
    name: "access logs know the client's certificate",
    config: https(mutual(), {
      ...hello,
      logFormat:
        "%DOWNSTREAM_PEER_SUBJECT%|%DOWNSTREAM_PEER_ISSUER%|%DOWNSTREAM_PEER_URI_SAN%|%DOWNSTREAM_PEER_DNS_SAN%|%DOWNSTREAM_PEER_EMAIL_SAN%|%DOWNSTREAM_PEER_IP_SAN%|%DOWNSTREAM_PEER_SERIAL%|%DOWNSTREAM_PEER_FINGERPRINT_256%|%DOWNSTREAM_PEER_FINGERPRINT_1%|%DOWNSTREAM_LOCAL_SUBJECT%|%DOWNSTREAM_LOCAL_URI_SAN%|%DOWNSTREAM_LOCAL_DNS_SAN%|%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_CERT_V_START(%Y)%|%DOWNSTREAM_PEER_CERT_V_END%",
    }),
    run: async (t) => {
      await secureGet(t, "/", { ...as(client), maxVersion: "TLSv1.2" });
      const {
        fingerprint256,
        fingerprint: sha1,
        validTo,
      } = new X509Certificate(client.certificate);
      const digits = (text: string) => text.replaceAll(":", "").toLowerCase();
      assert.deepEqual((await t.logLine()).split("|"), [
        "O=Org,OU=Unit,CN=client",
        "CN=Test CA",
        "spiffe://td/ns/default/sa/client",
        "client.test,*.wild.test",
        "client@mail.test",
        "10.0.0.1,2001:db8::1",
        client.serial.replace(/^0+/, ""),
        digits(fingerprint256),
        digits(sha1),
        "O=Org,CN=a",
        "spiffe://td/ns/default/sa/a",
        "a.test",
        "TLSv1.2",
        String(new Date().getUTCFullYear()),
        new Date(validTo).toISOString(),
      ]);
    },
  },
  {
    name: "the chain in access logs is what the client sent",
    config: https(mutual(), {
      ...hello,
      logFormat: "%DOWNSTREAM_PEER_CHAIN_SERIALS%|%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256%",
    }),
    run: async (t) => {
      await secureGet(t, "/", as(chained));
      const [serials, fingerprints] = (await t.logLine()).split("|");
      const sent = [certificates.deep, intermediate].map(({ x509 }) => x509);
      assert.equal(
        serials,
        sent.map(({ serialNumber }) => serialNumber.replace(/^0+/, "")).join(","),
      );
      assert.equal(fingerprints?.split(",").length, 2);
    },
  },
  {
    name: "the listener's log says why a client was refused",
    config: https(
      mutual(
        trust({ match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "x" } }] }),
      ),
      {
        ...hello,
        listener: {
          access_log: [fileAccessLog("%DOWNSTREAM_TRANSPORT_FAILURE_REASON% %RESPONSE_FLAGS%")],
        },
      },
    ),
    run: async (t) => {
      await refused(t);
      assert.equal(
        await t.logLine(),
        "TLS_error:|268435648:SSL_routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:peer_did_not_provide_required_client_certificate:TLS_error_end -",
      );
      await refused(t, as(certificates.stranger));
      assert.equal(
        (await t.log(2))[1],
        "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate:TLS_error_end -",
      );
      await refused(t, as(client));
      assert.equal(
        (await t.log(3))[2],
        "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher,_certificate_SANs_are_[client.test,_*.wild.test,_spiffe://td/ns/default/sa/client,_client@mail.test,_10.0.0.1,_2001:db8::1]:TLS_error_end -",
      );
    },
  },
  {
    name: "x-forwarded-client-cert tells the upstream who the client is",
    config: https(mutual(), {
      manager: {
        forward_client_cert_details: "SANITIZE_SET",
        set_current_client_cert_details: { subject: true, dns: true, uri: true },
      },
    }),
    upstream: answer(response(200)),
    run: async (t) => {
      await secureGet(t, "/", as(client));
      const hash = fingerprint.replaceAll(":", "").toLowerCase();
      assert.match(
        t.upstream().received,
        new RegExp(
          `^x-forwarded-client-cert: By=spiffe://td/ns/default/sa/a;Hash=${hash};Subject="O=Org,OU=Unit,CN=client";URI=spiffe://td/ns/default/sa/client;DNS=client.test;DNS=\\*.wild.test\r$`,
          "m",
        ),
      );
    },
  },
  {
    name: "a resumed session is still the same client",
    config: https(mutual(), { ...hello, logFormat: "%DOWNSTREAM_PEER_SUBJECT%" }),
    run: async (t) => {
      const { connect } = await import("node:tls");
      const { once } = await import("node:events");
      const { get } = await import("./harness/context.ts");
      const options = { ...t.address(), ...as(client), rejectUnauthorized: false };
      const first = connect({ ...options, servername: "a.test" });
      const saved = once(first, "session");
      const answered = once(first, "data");
      first.write(get("/"));
      const [session] = await saved;
      await answered;
      first.destroy();
      assert.ok(Buffer.isBuffer(session));
      assert.equal(
        (await secureGet(t, "/", { ...as(client), session, rejectUnauthorized: false })).status,
        200,
      );
      assert.deepEqual(await t.log(2), ["O=Org,OU=Unit,CN=client", "O=Org,OU=Unit,CN=client"]);
      await t.stats({ "listener.{case}.ssl.session_reused": 1 });
    },
  },
]);
