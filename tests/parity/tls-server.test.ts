import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:tls";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import { direct, extension, route } from "./harness/config.ts";
import { get } from "./harness/context.ts";
import {
  authority,
  certificates,
  downstreamTls,
  https,
  refused,
  secure,
  secureGet,
} from "./harness/tls.ts";

const parameters = (params: Record<string, string | readonly string[]>) =>
  downstreamTls({ common: { tls_params: params } });
const hello = { routes: [route({ prefix: "/" }, direct("hello"))] };

/** In ten days and a half: no whole number of days is near. */
const endsSoon = await authority.issue({
  dns: ["a.test"],
  notAfter: new Date(Date.now() + 10.5 * 86_400_000),
});

parityArea("tls-server", [
  {
    name: "terminates TLS 1.3 and forwards plain HTTP",
    config: https(downstreamTls()),
    upstream: answer(response(200, "ok")),
    run: async (t) => {
      await using connection = await secure(t);
      assert.equal(connection.socket.getProtocol(), "TLSv1.3");
      assert.equal(connection.socket.authorized, true);
      assert.equal((await connection.client.exchange(get("/a"))).status, 200);
      assert.equal((await connection.client.exchange(get("/b"))).body, "ok");
      assert.match(t.upstream().received, /^x-forwarded-proto: https\r$/m);
      await t.stats({
        "listener.{case}.ssl.handshake": 1,
        "listener.{case}.ssl.versions.TLSv1.3": 1,
        "listener.{case}.ssl.no_certificate": 1,
        "listener.{case}.ssl.session_reused": 0,
        "listener.{case}.ssl.connection_error": 0,
        "http.{case}.downstream_cx_ssl_total": 1,
        "http.{case}.downstream_cx_ssl_active": 1,
        "http.{case}.downstream_rq_2xx": 2,
      });
    },
  },
  {
    name: "TLS 1.3: a client that resumes gets the ticket for its next connection",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      let session: Buffer | undefined;
      for (let i = 0; i < 4; i += 1) {
        await using connection = await secure(t, session === undefined ? {} : { session });
        assert.equal(connection.socket.isSessionReused(), i > 0);
        const fresh = once(connection.socket, "session");
        assert.equal((await connection.client.exchange(get("/"))).body, "hello");
        [session] = (await fresh) as [Buffer];
      }
      await t.stats({ "listener.{case}.ssl.session_reused": 3 });
    },
  },
  {
    name: "server.days_until_first_cert_expiring is of the certificate that ends first",
    config: https(downstreamTls({ certificates: [endsSoon] }), hello),
    own: { bootstrap: { stats_flush_interval: "0.1s" } },
    run: async (t) => {
      // Envoy shows it with its next flush of stats.
      await t.stats({ "server.days_until_first_cert_expiring": 10 });
    },
  },
  {
    name: "terminates TLS 1.2",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      const { body } = await secureGet(t, "/", { maxVersion: "TLSv1.2" });
      assert.equal(body, "hello");
      await t.stats({ "listener.{case}.ssl.versions.TLSv1.2": 1 });
    },
  },
  {
    name: "refuses TLS 1.1",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      await refused(t, {
        minVersion: "TLSv1.1",
        maxVersion: "TLSv1.1",
        ciphers: "ALL:@SECLEVEL=0",
      });
      await t.stats({
        "listener.{case}.ssl.connection_error": 1,
        "listener.{case}.ssl.handshake": 0,
        "listener.{case}.downstream_cx_total": 1,
      });
    },
  },
  {
    name: "takes TLS 1.0 when the configuration says so",
    config: https(
      parameters({
        tls_minimum_protocol_version: "TLSv1_0",
        tls_maximum_protocol_version: "TLSv1_0",
        cipher_suites: ["ECDHE-ECDSA-AES128-SHA"],
      }),
      hello,
    ),
    run: async (t) => {
      const { body } = await secureGet(t, "/", {
        ...{ minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" },
      });
      assert.equal(body, "hello");
      await t.stats({ "listener.{case}.ssl.versions.TLSv1": 1 });
    },
  },
  {
    name: "keeps to its highest version",
    config: https(parameters({ tls_maximum_protocol_version: "TLSv1_2" }), hello),
    run: async (t) => {
      await using connection = await secure(t);
      assert.equal(connection.socket.getProtocol(), "TLSv1.2");
    },
  },
  {
    name: "keeps to its lowest version",
    config: https(parameters({ tls_minimum_protocol_version: "TLSv1_3" }), hello),
    run: async (t) => {
      await refused(t, { maxVersion: "TLSv1.2" });
      assert.equal((await secureGet(t, "/")).status, 200);
      await t.stats({
        "listener.{case}.ssl.connection_error": 1,
        "listener.{case}.ssl.handshake": 1,
      });
    },
  },
  {
    name: "offers only the cipher suites of its list",
    config: https(parameters({ cipher_suites: ["ECDHE-ECDSA-AES256-GCM-SHA384"] }), hello),
    run: async (t) => {
      await using connection = await secure(t, { maxVersion: "TLSv1.2" });
      assert.equal(connection.socket.getCipher().name, "ECDHE-ECDSA-AES256-GCM-SHA384");
      await refused(t, { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" });
      await t.stats({
        "listener.{case}.ssl.ciphers.ECDHE-ECDSA-AES256-GCM-SHA384": 1,
        "listener.{case}.ssl.connection_error": 1,
      });
    },
  },
  {
    name: "has groups of suites that are equally good",
    config: https(
      parameters({
        cipher_suites: ["[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]"],
      }),
      hello,
    ),
    run: async (t) => {
      for (const ciphers of ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"]) {
        const both = `${ciphers}:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305`;
        await using connection = await secure(t, { maxVersion: "TLSv1.2", ciphers: both });
        assert.equal(connection.socket.getCipher().name, ciphers);
      }
    },
  },
  {
    name: "offers only the curves of its list",
    config: https(parameters({ ecdh_curves: ["P-384"] }), hello),
    run: async (t) => {
      await refused(t, { ecdhCurve: "X25519" });
      assert.equal((await secureGet(t, "/", { ecdhCurve: "P-384:X25519" })).status, 200);
    },
  },
  {
    name: "keeps to its signature algorithms",
    config: https(parameters({ signature_algorithms: ["ecdsa_secp256r1_sha256"] }), hello),
    run: async (t) => {
      assert.equal((await secureGet(t, "/")).status, 200);
      await refused(t, { sigalgs: "ecdsa_secp384r1_sha384" });
    },
  },
  {
    name: "agrees on the protocol by ALPN",
    config: https(downstreamTls({ common: { alpn_protocols: ["h2,http/1.1"] } }), hello),
    run: async (t) => {
      for (const [offered, agreed] of [
        [["http/1.1"], "http/1.1"],
        [["h2"], "h2"],
        [["http/1.1", "h2"], "h2"],
        [[], false],
      ] as const) {
        await using connection = await secure(t, { ALPNProtocols: [...offered] });
        assert.equal(connection.socket.alpnProtocol, agreed);
      }
      assert.equal((await secureGet(t, "/", { ALPNProtocols: ["http/1.1"] })).body, "hello");
    },
  },
  {
    name: "ignores ALPN when it has no list",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      await using connection = await secure(t, { ALPNProtocols: ["h2", "http/1.1"] });
      assert.equal(connection.socket.alpnProtocol, false);
      assert.equal((await connection.client.exchange(get("/"))).status, 200);
    },
  },
  {
    name: "goes on without a protocol when ALPN finds none in common",
    config: https(downstreamTls({ common: { alpn_protocols: ["h2"] } }), hello),
    run: async (t) => {
      assert.equal((await secureGet(t, "/", { ALPNProtocols: ["http/1.1"] })).status, 200);
    },
    heddle: {
      difference: "A client whose ALPN protocols are all unknown is refused",
      run: async (t) => {
        await refused(t, { ALPNProtocols: ["http/1.1"] });
        await t.stats({ "listener.{case}.ssl.connection_error": 1 });
      },
    },
  },
  {
    name: "closes on what is not TLS",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      await client.ended();
      assert.doesNotMatch(client.received, /HTTP/);
      await t.stats({ "listener.{case}.ssl.connection_error": 1 });
    },
  },
  {
    name: "does not count a client that goes away in the handshake as an error",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      const client = await t.connect();
      client.end();
      await t.stats({
        "listener.{case}.downstream_cx_destroy": 1,
        "listener.{case}.ssl.connection_error": 0,
      });
    },
  },
  {
    name: "closes a connection whose handshake takes too long",
    config: https(downstreamTls(), {
      ...hello,
      chain: { transport_socket_connect_timeout: "0.2s" },
    }),
    run: async (t) => {
      const client = await t.connect();
      await client.ended();
      await t.stats({ "listener.{case}.downstream_cx_transport_socket_connect_timeout": 1 });
    },
  },
  {
    name: "says close_notify when it ends a connection",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      await using connection = await secure(t);
      const { client } = connection;
      const got = await client.exchange(get("/", "connection: close"));
      assert.equal(got.status, 200);
      // The runtime reports a missing close_notify as an error of the socket.
      assert.match(await client.ended(), /half-closed|closed/);
    },
  },
  {
    name: "resumes sessions by ticket",
    config: https(downstreamTls(), hello),
    run: async (t) => {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const first = connect({
          ...t.address(),
          ...{ ca: authority.certificate, servername: "a.test", maxVersion },
        });
        const saved = once(first, "session");
        const answered = once(first, "data");
        first.write(get("/"));
        const [session] = await saved;
        await answered;
        first.destroy();
        assert.ok(Buffer.isBuffer(session));
        await using second = await secure(t, { session, maxVersion });
        assert.equal(second.socket.isSessionReused(), true, maxVersion);
        assert.equal((await second.client.exchange(get("/"))).status, 200);
      }
      await t.stats({
        "listener.{case}.ssl.handshake": 4,
        "listener.{case}.ssl.session_reused": 2,
      });
    },
  },
  {
    name: "issues no tickets when stateless resumption is off",
    config: https(
      downstreamTls({
        context: {
          disable_stateless_session_resumption: true,
          disable_stateful_session_resumption: true,
        },
      }),
      hello,
    ),
    run: async (t) => {
      await using first = await secure(t, { maxVersion: "TLSv1.2" });
      assert.equal((await first.client.exchange(get("/"))).status, 200);
      const session = first.socket.getSession();
      assert.ok(session !== undefined);
      await using second = await secure(t, { session, maxVersion: "TLSv1.2" });
      assert.equal(second.socket.isSessionReused(), false);
      await t.stats({ "listener.{case}.ssl.session_reused": 0 });
    },
  },
  {
    name: "carries TCP and its half-close",
    config: {
      listeners: [
        {
          ...https(downstreamTls()).listeners?.[0],
          filter_chains: [
            {
              transport_socket: downstreamTls(),
              filters: [
                extension(
                  "envoy.filters.network.tcp_proxy",
                  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                  { stat_prefix: "{case}", cluster: "{case}-main" },
                ),
              ],
            },
          ],
        },
      ],
    },
    upstream: async (connection) => {
      await connection.until("all", (wire) => (wire.state === "half-closed" ? true : undefined));
      await connection.write(`got ${connection.received.length}`);
      connection.end();
    },
    run: async (t) => {
      const socket = connect({
        ...t.address(),
        ...{ ca: authority.certificate, servername: "a.test", allowHalfOpen: true },
      });
      let got = "";
      socket.on("data", (chunk) => {
        got += chunk;
      });
      const ended = once(socket, "end");
      socket.end("x".repeat(200_000));
      await ended;
      assert.equal(got, "got 200000");
      await t.stats({ "tcp.{case}.downstream_cx_rx_bytes_total": 200_000 });
    },
  },
  {
    name: "shows what its contexts hold under /certs",
    config: https(downstreamTls({ certificates: [certificates.b] }), hello),
    run: async (t) => {
      const { body } = await t.admin("/certs");
      const all = JSON.parse(body) as {
        readonly certificates: readonly { readonly cert_chain: readonly object[] }[];
      };
      const serial = certificates.b.serial.replace(/^0+/, "");
      const shown = all.certificates
        .flatMap((context) => context.cert_chain)
        .find((one) => Reflect.get(one, "serial_number") === serial);
      assert.ok(shown !== undefined, body);
      assert.equal(Reflect.get(shown, "path"), "<inline>");
      // Thirty days, less what the test has taken so far.
      assert.match(String(Reflect.get(shown, "days_until_expiration")), /^(29|30)$/);
      assert.deepEqual(Reflect.get(shown, "subject_alt_names"), [
        { dns: "b.test" },
        { dns: "*.w.test" },
      ]);
    },
  },
]);
