import assert from "node:assert/strict";
import type { TlsOptions } from "node:tls";
import { answer, response } from "../../testkit/fake-upstream.ts";
import type { Issued } from "../../testkit/pki.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, endpoint, http, listener } from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import type { JsonObject } from "./harness/placeholders.ts";
import {
  authority,
  certificates,
  inline,
  otherAuthority,
  trust,
  upstreamTls,
} from "./harness/tls.ts";

const { a, b, client } = certificates;
const shows = ({ certificate, key }: Issued): TlsOptions => ({ cert: certificate, key });
const logFormat =
  "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%";
const unverified =
  "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:";

interface Upstream {
  readonly name: string;
  readonly socket: JsonObject;
  readonly server?: TlsOptions;
  readonly extra?: JsonObject;
  readonly run: (t: CaseContext) => Promise<void>;
}

function upstream({ name, socket, server, extra, run }: Upstream): ParityCase {
  return {
    name,
    config: http({
      clusters: [cluster("main", { transport_socket: socket, ...extra })],
      logFormat,
    }),
    upstream: answer(response(200, "ok")),
    upstreamTls: { ...shows(a), ...server },
    run,
  };
}

/** The upstream's handshake fails on the proxy's side. */
const fails = (
  options: Omit<Upstream, "run"> & {
    readonly why: string;
    readonly stats: Readonly<Record<string, number>>;
  },
): ParityCase =>
  upstream({
    ...options,
    run: async (t) => {
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(
        got.body,
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
      );
      assert.equal(
        await t.logLine(),
        `503 UF upstream_reset_before_response_started{remote_connection_failure|${options.why}} ${options.why}`,
      );
      await t.stats({ "cluster.{case}-main.upstream_cx_connect_fail": 1, ...options.stats });
    },
  });

/** `auto_sni` and its kin. */
const byRequest = (options: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicit_http_config: { http_protocol_options: {} },
      upstream_http_protocol_options: options,
    },
  },
});

const ok = async (t: CaseContext): Promise<void> => {
  assert.equal((await t.get("/")).status, 200);
};

parityArea("tls-upstreams", [
  upstream({
    name: "speaks TLS 1.2 to a cluster, without SNI, unless told otherwise",
    socket: upstreamTls(),
    run: async (t) => {
      await ok(t);
      assert.equal(t.upstream().tls().getProtocol(), "TLSv1.2");
      assert.equal(Reflect.get(t.upstream().tls(), "servername"), false);
      assert.equal(t.upstream().tls().getCipher().name, "ECDHE-ECDSA-AES128-GCM-SHA256");
      await t.stats({
        "cluster.{case}-main.ssl.handshake": 1,
        "cluster.{case}-main.ssl.versions.TLSv1.2": 1,
        "cluster.{case}-main.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256": 1,
        "cluster.{case}-main.ssl.curves.X25519": 1,
        "cluster.{case}-main.ssl.session_reused": 0,
        "cluster.{case}-main.default.total_match_count": 1,
      });
    },
  }),
  upstream({
    name: "speaks TLS 1.3 when it may",
    socket: upstreamTls({ common: { tls_params: { tls_maximum_protocol_version: "TLSv1_3" } } }),
    run: async (t) => {
      await ok(t);
      assert.equal(t.upstream().tls().getProtocol(), "TLSv1.3");
      await t.stats({ "cluster.{case}-main.ssl.versions.TLSv1.3": 1 });
    },
  }),
  upstream({
    name: "calls the curve P-256",
    socket: upstreamTls({ common: { tls_params: { ecdh_curves: ["P-256"] } } }),
    run: async (t) => {
      await ok(t);
      await t.stats({ "cluster.{case}-main.ssl.curves.P-256": 1 });
    },
  }),
  upstream({
    name: "sends its SNI and its ALPN protocols",
    socket: upstreamTls({
      context: { sni: "sni.test" },
      common: { alpn_protocols: ["http/1.1"] },
    }),
    server: { ALPNProtocols: ["http/1.1"] },
    run: async (t) => {
      await ok(t);
      assert.equal(Reflect.get(t.upstream().tls(), "servername"), "sni.test");
      assert.equal(t.upstream().tls().alpnProtocol, "http/1.1");
    },
  }),
  upstream({
    name: "verifies the server by its authority",
    socket: upstreamTls({ validation: trust() }),
    run: ok,
  }),
  upstream({
    name: "does not look at the server's name unless told to",
    socket: upstreamTls({ validation: trust(), context: { sni: "other.test" } }),
    run: ok,
  }),
  fails({
    name: "refuses a server of another authority",
    socket: upstreamTls({ validation: { trusted_ca: inline(otherAuthority.certificate) } }),
    why: `${unverified}_X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate:TLS_error_end`,
    stats: { "cluster.{case}-main.ssl.fail_verify_error": 1 },
  }),
  fails({
    name: "refuses an expired server",
    socket: upstreamTls({ validation: trust() }),
    server: shows(certificates.expired),
    why: `${unverified}_X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end`,
    stats: { "cluster.{case}-main.ssl.fail_verify_error": 1 },
  }),
  fails({
    name: "refuses a server with another name",
    socket: upstreamTls({
      validation: trust({
        match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "other.test" } }],
      }),
    }),
    why: `${unverified}_SAN_matcher,_certificate_SANs_are_[a.test,_spiffe://td/ns/default/sa/a]:TLS_error_end`,
    stats: { "cluster.{case}-main.ssl.fail_verify_san": 1 },
  }),
  fails({
    name: "refuses a server with another hash",
    socket: upstreamTls({ validation: { verify_certificate_hash: ["00".repeat(32)] } }),
    why: `${unverified}_cert_hash_and_spki:TLS_error_end`,
    stats: { "cluster.{case}-main.ssl.fail_verify_cert_hash": 1 },
  }),
  upstream({
    name: "takes an untrusted server with ACCEPT_UNTRUSTED, and counts",
    socket: upstreamTls({
      validation: {
        trusted_ca: inline(otherAuthority.certificate),
        trust_chain_verification: "ACCEPT_UNTRUSTED",
      },
    }),
    run: async (t) => {
      await ok(t);
      await t.stats({
        "cluster.{case}-main.ssl.fail_verify_error": 1,
        "cluster.{case}-main.ssl.handshake": 1,
      });
    },
  }),
  upstream({
    name: "auto_sni_san_validation takes a server that has the SNI as its name",
    socket: upstreamTls({
      validation: trust(),
      context: { sni: "x.w.test", auto_sni_san_validation: true },
    }),
    server: shows(b),
    run: ok,
  }),
  fails({
    name: "auto_sni_san_validation refuses a server that does not",
    socket: upstreamTls({
      validation: trust(),
      context: { sni: "b.test", auto_sni_san_validation: true },
    }),
    why: `${unverified}_SAN_matcher,_certificate_SANs_are_[a.test,_spiffe://td/ns/default/sa/a]:TLS_error_end`,
    stats: { "cluster.{case}-main.ssl.fail_verify_san": 1 },
  }),
  upstream({
    name: "auto_host_sni sends the endpoint's hostname",
    socket: upstreamTls({ context: { sni: "fallback.test", auto_host_sni: true } }),
    extra: {
      load_assignment: {
        cluster_name: "{case}-main",
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: {
                  hostname: "host.name.test",
                  address: { socket_address: { address: "127.0.0.1", port_value: "{port:main}" } },
                },
              },
            ],
          },
        ],
      },
    },
    run: async (t) => {
      await ok(t);
      assert.equal(Reflect.get(t.upstream().tls(), "servername"), "host.name.test");
    },
  }),
  upstream({
    name: "auto_sni sends the request's host, and keeps connections apart by it",
    socket: upstreamTls({ context: { sni: "fallback.test" } }),
    extra: byRequest({ auto_sni: true }),
    run: async (t) => {
      const connection = await t.connect();
      for (const host of ["one.test", "two.test:8443", "one.test", "127.0.0.1"])
        await connection.exchange(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      const names = t
        .upstream()
        .connections.map((_, index) => Reflect.get(t.upstream().tls(index), "servername"));
      assert.deepEqual(names, ["one.test", "two.test", "fallback.test"]);
    },
  }),
  upstream({
    name: "override_auto_sni_header names another header",
    socket: upstreamTls(),
    extra: byRequest({ auto_sni: true, override_auto_sni_header: "x-sni" }),
    run: async (t) => {
      await t.get("/", "x-sni: header.test");
      await ok(t);
      const names = [0, 1].map((index) => Reflect.get(t.upstream().tls(index), "servername"));
      assert.deepEqual(names, ["header.test", "host.test"]);
    },
  }),
  upstream({
    name: "auto_san_validation takes a server for the host that it names",
    socket: upstreamTls({ validation: trust() }),
    extra: byRequest({ auto_sni: true, auto_san_validation: true }),
    run: async (t) => {
      const connection = await t.connect();
      const ask = (host: string) => connection.exchange(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      assert.equal((await ask("a.test")).status, 200);
      assert.equal((await ask("other.test")).status, 503);
      await t.stats({ "cluster.{case}-main.ssl.fail_verify_san": 1 });
    },
  }),
  upstream({
    name: "shows its certificate to a server that asks for one",
    socket: upstreamTls({ certificates: [client], validation: trust() }),
    server: { requestCert: true, ca: authority.certificate },
    run: async (t) => {
      await ok(t);
      const peer = t.upstream().tls().getPeerX509Certificate();
      assert.equal(peer?.serialNumber, client.serial.toUpperCase());
    },
  }),
  fails({
    name: "has no certificate for a server that wants one",
    socket: upstreamTls(),
    server: { requestCert: true, rejectUnauthorized: true, ca: authority.certificate },
    why: "TLS_error:|268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end",
    stats: { "cluster.{case}-main.ssl.connection_error": 1 },
  }),
  {
    ...fails({
      name: "fails on a server that speaks no TLS",
      socket: upstreamTls(),
      why: "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
      stats: { "cluster.{case}-main.ssl.connection_error": 1 },
    }),
    upstream: async (connection) => {
      await connection.until("hello", (wire) => (wire.unread === "" ? undefined : true));
      await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    },
    upstreamTls: undefined as never,
  },
  upstream({
    name: "resumes its session on the next connection",
    socket: upstreamTls(),
    run: async (t) => {
      await t.get("/", "connection: close");
      await ok(t);
      const first = await t.upstream().connection(0);
      first.end();
      await t.stats({ "cluster.{case}-main.upstream_cx_active": 0 });
      await ok(t);
      assert.equal(t.upstream().tls(1).isSessionReused(), true);
      await t.stats({
        "cluster.{case}-main.ssl.handshake": 2,
        "cluster.{case}-main.ssl.session_reused": 1,
        "cluster.{case}-main.ssl.curves.X25519": 2,
      });
    },
  }),
  upstream({
    name: "max_session_keys 0 resumes nothing",
    socket: upstreamTls({ context: { max_session_keys: 0 } }),
    run: async (t) => {
      await ok(t);
      const first = await t.upstream().connection(0);
      first.end();
      await t.stats({ "cluster.{case}-main.upstream_cx_active": 0 });
      await ok(t);
      assert.equal(t.upstream().tls(1).isSessionReused(), false);
    },
  }),
  {
    name: "chooses the transport socket by the endpoint's metadata",
    config: http({
      clusters: [
        cluster("main", {
          transport_socket_matches: [
            {
              name: "secure",
              match: { mode: "tls" },
              transport_socket: upstreamTls({ context: { sni: "matched.test" } }),
            },
            { name: "never", match: { mode: "tls", more: 1 }, transport_socket: upstreamTls() },
          ],
          load_assignment: {
            cluster_name: "{case}-main",
            endpoints: [
              {
                lb_endpoints: [
                  {
                    ...endpoint("main"),
                    metadata: {
                      filter_metadata: { "envoy.transport_socket_match": { mode: "tls" } },
                    },
                  },
                ],
              },
            ],
          },
        }),
      ],
    }),
    upstream: answer(response(200)),
    upstreamTls: shows(a),
    run: async (t) => {
      await ok(t);
      assert.equal(Reflect.get(t.upstream().tls(), "servername"), "matched.test");
      await t.stats({
        "cluster.{case}-main.secure.total_match_count": 1,
        "cluster.{case}-main.never.total_match_count": 0,
      });
    },
  },
  {
    name: "an endpoint that no match fits has the cluster's transport socket",
    config: http({
      clusters: [
        cluster("main", {
          transport_socket_matches: [
            { name: "secure", match: { mode: "tls" }, transport_socket: upstreamTls() },
          ],
        }),
      ],
    }),
    upstream: answer(response(200)),
    run: async (t) => {
      await ok(t);
      await t.stats({
        "cluster.{case}-main.secure.total_match_count": 0,
        "cluster.{case}-main.default.total_match_count": 1,
      });
    },
  },
  {
    name: "tcp_proxy originates TLS",
    config: {
      listeners: [
        listener([
          {
            name: "envoy.filters.network.tcp_proxy",
            typed_config: {
              "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
              stat_prefix: "{case}",
              cluster: "{case}-main",
            },
          },
        ]),
      ],
      clusters: [
        cluster("main", {
          transport_socket: upstreamTls({ validation: trust(), context: { sni: "a.test" } }),
        }),
      ],
    },
    upstream: answer(response(200, "over tls")),
    upstreamTls: shows(a),
    run: async (t) => {
      assert.equal((await t.get("/")).body, "over tls");
      await t.stats({ "cluster.{case}-main.ssl.handshake": 1 });
    },
  },
  {
    name: "access logs know the server's certificate",
    config: http({
      clusters: [
        cluster("main", {
          transport_socket: upstreamTls({ certificates: [client], validation: trust() }),
        }),
      ],
      logFormat:
        "%UPSTREAM_PEER_SUBJECT%|%UPSTREAM_PEER_ISSUER%|%UPSTREAM_PEER_URI_SAN%|%UPSTREAM_PEER_DNS_SAN%|%UPSTREAM_LOCAL_URI_SAN%|%UPSTREAM_LOCAL_DNS_SAN%|%UPSTREAM_TLS_VERSION%|%UPSTREAM_TLS_CIPHER%",
    }),
    upstream: answer(response(200)),
    upstreamTls: shows(a),
    run: async (t) => {
      await ok(t);
      assert.deepEqual((await t.logLine()).split("|"), [
        "O=Org,CN=a",
        "CN=Test CA",
        "spiffe://td/ns/default/sa/a",
        "a.test",
        "spiffe://td/ns/default/sa/client",
        "client.test,*.wild.test",
        "TLSv1.2",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
      ]);
    },
  },
]);
