import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type {
  DownstreamTlsContextJson,
  UpstreamTlsContextJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { WorkerStats } from "#proxy/stats/worker-stats.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { Authority, type Issued } from "../../../testkit/pki.ts";
import { DownstreamTls } from "./downstream.ts";
import { SecretStore } from "./secrets.ts";
import { UpstreamTls } from "./upstream.ts";

let authority: Authority;
let leaf: Issued;
let other: Issued;
let folder: string;

before(async () => {
  authority = await Authority.create();
  leaf = await authority.issue({ dns: ["a.test"] });
  other = await authority.issue({ dns: ["b.test"] });
  folder = mkdtempSync(join(tmpdir(), "tls-"));
});

after(() => rmSync(folder, { recursive: true }));

const inline = (text: string) => ({ inlineString: text });
const own = ({ certificate, key }: Issued) => ({
  certificateChain: inline(certificate),
  privateKey: inline(key),
});

function downstream(config: DownstreamTlsContextJson) {
  const stats = new WorkerStats(() => undefined);
  const services = { ...fakeServices(), stats, secrets: new SecretStore() };
  const tls = new DownstreamTls(config, { services, scope: stats.scope("listener.l.") });
  return { tls, services, stats };
}

const refuses = (config: DownstreamTlsContextJson, message: RegExp): void => {
  assert.throws(() => downstream(config), message);
};

describe("a listener's TLS context", () => {
  it("names what is wrong, and where", () => {
    const chain = inline(leaf.certificate);
    const certificates = (tlsCertificate: object): DownstreamTlsContextJson => ({
      commonTlsContext: { tlsCertificates: [tlsCertificate] },
    });
    refuses({}, /No TLS certificates found/);
    refuses(certificates({}), /common_tls_context\.tls_certificates\[0\]\.certificate_chain: /);
    refuses(certificates({ certificateChain: chain }), /incomplete private key from <inline>/);
    refuses(
      certificates({ certificateChain: chain, privateKey: inline(other.key) }),
      /private_key: Failed to load private key from <inline>, Cause: KEY_VALUES_MISMATCH/,
    );
    refuses(
      certificates({ certificateChain: chain, privateKey: inline("nothing") }),
      /Failed to load private key from <inline>: /,
    );
    refuses(
      certificates({ certificateChain: { filename: "/none/such.pem" }, privateKey: chain }),
      /certificate_chain\.filename: cannot read \/none\/such\.pem: ENOENT/,
    );
    refuses(
      certificates({ certificateChain: { environmentVariable: "NONE_SUCH" }, privateKey: chain }),
      /Environment variable doesn't exist: NONE_SUCH/,
    );
    const bad = leaf.certificate.replace(/\n[^-].{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
    refuses(
      certificates({ certificateChain: inline(bad), privateKey: inline(leaf.key) }),
      /Failed to load certificate chain from <inline>/,
    );
  });

  it("refuses parameters that OpenSSL does not know", () => {
    const parameters = (tlsParams: object): DownstreamTlsContextJson => ({
      commonTlsContext: { tlsCertificates: [own(leaf)], tlsParams },
    });
    refuses(parameters({ cipherSuites: ["[A|B]"] }), /tried individually: A, B/);
    refuses(
      parameters({ ecdhCurves: ["P-1"] }),
      /ecdh_curves: Failed to initialize ECDH curves P-1/,
    );
    refuses(parameters({ signatureAlgorithms: ["none"] }), /signature algorithms none/);
    refuses(
      parameters({
        tlsMinimumProtocolVersion: "TLSv1_3",
        tlsMaximumProtocolVersion: "TLSv1_2",
      }),
      /TLSv1\.3 is above the maximum TLSv1\.2/,
    );
  });

  it("refuses a validation that would check nothing", () => {
    const validation = (validationContext: object): DownstreamTlsContextJson => ({
      commonTlsContext: { tlsCertificates: [own(leaf)], validationContext },
    });
    refuses(validation({ trustedCa: inline("x") }), /Failed to load trusted CA certificates/);
    refuses(
      validation({ crl: inline("x") }),
      /Failed to load CRL from <inline> without trusted CA/,
    );
    refuses(
      validation({ trustedCa: inline(authority.certificate), crl: inline("x") }),
      /Failed to parse CRL/,
    );
    refuses(
      validation({ matchTypedSubjectAltNames: [{ sanType: "DNS", matcher: { exact: "a" } }] }),
      /without trusted CA is insecure/,
    );
    refuses(
      validation({
        trustedCa: inline(authority.certificate),
        matchTypedSubjectAltNames: [{ sanType: "OTHER_NAME", matcher: { exact: "a" } }],
      }),
      /OTHER_NAME is not supported/,
    );
    refuses(validation({ verifyCertificateHash: ["00"] }), /Invalid hex-encoded SHA-256 00/);
    refuses(validation({ verifyCertificateSpki: ["AA=="] }), /Invalid base64-encoded SHA-256/);
    refuses(validation({ allowExpiredCertificate: true }), /always ignored without trusted CA/);
  });

  it("refuses ticket keys and ALPN names of the wrong length", () => {
    const base = { tlsCertificates: [own(leaf)] };
    refuses(
      { commonTlsContext: base, sessionTicketKeys: { keys: [inline("x")] } },
      /session_ticket_keys\.keys\[0\]: Incorrect TLS session ticket key length\. Length 1/,
    );
    refuses({ commonTlsContext: { ...base, alpnProtocols: ["a".repeat(256)] } }, /1 to 255 bytes/);
  });

  it("asks for a client's certificate only when it can check one", () => {
    const base = { tlsCertificates: [own(leaf)] };
    const asks = (config: DownstreamTlsContextJson): string | undefined =>
      downstream(config).tls.settings?.clientCertificate;
    const validationContext = { trustedCa: inline(authority.certificate) };
    assert.equal(asks({ commonTlsContext: base }), "none");
    assert.equal(asks({ commonTlsContext: base, requireClientCertificate: true }), "none");
    assert.equal(asks({ commonTlsContext: { ...base, validationContext } }), "optional");
    assert.equal(
      asks({ commonTlsContext: { ...base, validationContext }, requireClientCertificate: true }),
      "required",
    );
  });

  it("reads its files again when its directory changes, and keeps the last good ones", () => {
    const chain = join(folder, "tls.crt");
    const key = join(folder, "tls.key");
    const put = (issued: { readonly certificate: string; readonly key: string }): void => {
      writeFileSync(chain, issued.certificate);
      writeFileSync(key, issued.key);
    };
    put(leaf);
    const { tls } = downstream({
      commonTlsContext: {
        tlsCertificates: [
          {
            certificateChain: { filename: chain },
            privateKey: { filename: key },
            watchedDirectory: { path: folder },
          },
        ],
      },
    });
    const shown = (): string | undefined => tls.settings?.identity.certificate?.altNames.dns[0];
    const first = tls.settings;
    assert.equal(shown(), "a.test");
    tls.reload("/elsewhere");
    assert.equal(tls.settings, first);
    put({ certificate: other.certificate, key: leaf.key });
    tls.reload(folder);
    assert.equal(tls.settings, first);
    put(other);
    tls.reload(folder);
    assert.equal(shown(), "b.test");
    assert.equal(tls.status?.certificates[0]?.path, chain);
  });

  it("is not ready before its secret has come", () => {
    const { tls, services, stats } = downstream({
      commonTlsContext: {
        tlsCertificateSdsSecretConfigs: [
          { name: "cert", sdsConfig: { pathConfigSource: { path: "/sds.json" } } },
        ],
      },
    });
    const counter = (name: string): number =>
      stats.counter(`listener.l.server_ssl_socket_factory.${name}`).value;
    const isReady = (): boolean => tls.settings !== undefined;
    assert.equal(isReady(), false);
    assert.equal(counter("downstream_context_secrets_not_ready"), 1);
    services.secrets.update("/sds.json\ncert", { name: "cert", validationContext: {} });
    assert.equal(isReady(), false);
    services.secrets.update("/sds.json\ncert", { name: "cert", tlsCertificate: own(leaf) });
    assert.equal(tls.settings?.identity.certificate?.altNames.dns[0], "a.test");
    assert.equal(counter("ssl_context_update_by_sds"), 1);
  });
});

describe("a cluster's TLS context", () => {
  const upstream = (config: UpstreamTlsContextJson): UpstreamTls => {
    const services = fakeServices();
    return new UpstreamTls(config, { services, scope: services.stats.scope("cluster.c.") });
  };

  it("has settings for each server name", () => {
    const tls = upstream({ sni: "sni.test", autoHostSni: true });
    assert.equal(tls.settingsFor("")?.serverName, "sni.test");
    assert.equal(tls.settingsFor("host.test")?.serverName, "host.test");
    assert.equal(tls.settingsFor("host.test"), tls.settingsFor("host.test"));
    assert.equal(upstream({}).settingsFor("host.test")?.serverName, "");
  });

  it("uses a session of TLS 1.3 once and one of TLS 1.2 again and again", () => {
    const sessions = upstream({ maxSessionKeys: 2 }).settingsFor("")?.sessions;
    assert.ok(sessions !== undefined);
    const saved = (byte: number, singleUse: boolean) => ({
      session: Uint8Array.of(byte),
      peer: undefined,
      singleUse,
    });
    sessions.put(saved(1, false));
    sessions.put(saved(2, true));
    sessions.put(saved(3, true));
    assert.equal(sessions.take()?.session[0], 3);
    assert.equal(sessions.take()?.session[0], 2);
    assert.equal(sessions.take(), undefined);
    sessions.put(saved(4, false));
    assert.equal(sessions.take()?.session[0], 4);
    assert.equal(sessions.take()?.session[0], 4);
    assert.equal(upstream({ maxSessionKeys: 0 }).settingsFor("")?.sessions, undefined);
  });

  it("refuses two certificates, and a name to check without an authority", () => {
    assert.throws(
      () => upstream({ commonTlsContext: { tlsCertificates: [own(leaf), own(other)] } }),
      /Multiple TLS certificates are not supported for client contexts/,
    );
    assert.throws(
      () => upstream({ autoSniSanValidation: true }),
      /without configuring a trusted CA/,
    );
  });
});
