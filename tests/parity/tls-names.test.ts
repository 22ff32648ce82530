import assert from "node:assert/strict";
import { once } from "node:events";
import { type ConnectionOptions, connect } from "node:tls";
import { echo } from "../../testkit/fake-upstream.ts";
import type { Issued } from "../../testkit/pki.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { connectionManager, direct, extension, listener, route } from "./harness/config.ts";
import type { JsonObject } from "./harness/placeholders.ts";
import {
  authority,
  certificates,
  downstreamTls,
  https,
  refused,
  secure,
  secureGet,
} from "./harness/tls.ts";

const hello = { routes: [route({ prefix: "/" }, direct("hello"))] };
const { a, b, rsa } = certificates;
/** TLS 1.2 and 1.3 clients that know one kind of key only. */
const rsaOnly: ConnectionOptions = { sigalgs: "RSA-PSS+SHA256:RSA+SHA256" };
const ecdsaOnly: ConnectionOptions = { sigalgs: "ECDSA+SHA256" };

/** Which certificate each client sees; undefined: it is refused. */
function shows(options: {
  readonly name: string;
  readonly certificates: readonly Issued[];
  readonly fullScan?: boolean;
  readonly clients: readonly (readonly [string, ConnectionOptions, Issued | undefined])[];
}): ParityCase {
  const context = options.fullScan === true ? { full_scan_certs_on_sni_mismatch: true } : {};
  return {
    name: options.name,
    config: https(downstreamTls({ certificates: options.certificates, context }), hello),
    run: async (t) => {
      for (const [servername, how, expected] of options.clients) {
        const client = { servername, rejectUnauthorized: false, ...how };
        if (expected === undefined) {
          await refused(t, client);
          continue;
        }
        await using connection = await secure(t, client);
        assert.equal(
          connection.socket.getPeerX509Certificate()?.serialNumber,
          expected.serial.toUpperCase(),
          servername,
        );
      }
    },
  };
}

/** Two filter chains by server name, with a TLS inspector before them. */
const byName = (chains: readonly JsonObject[], extra: JsonObject = {}): JsonObject =>
  listener([], {
    listener_filters: [
      extension(
        "envoy.filters.listener.tls_inspector",
        "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
      ),
    ],
    filter_chains: chains,
    ...extra,
  });

const answering = (names: readonly string[], text: string, certificate: Issued): JsonObject => ({
  ...(names.length === 0 ? {} : { filter_chain_match: { server_names: names } }),
  filters: [connectionManager({ routes: [route({ prefix: "/" }, direct(text))] })],
  transport_socket: downstreamTls({ certificates: [certificate] }),
});

parityArea("tls-names", [
  shows({
    name: "shows the certificate for the name, and the first for an unknown one",
    certificates: [a, b],
    clients: [
      ["a.test", {}, a],
      ["b.test", {}, b],
      ["x.w.test", {}, b],
      ["w.test", {}, a],
      ["y.x.w.test", {}, a],
      ["unknown.test", {}, a],
    ],
  }),
  shows({
    name: "chooses by the client's kind of key between certificates for one name",
    certificates: [a, rsa],
    clients: [
      ["a.test", {}, a],
      ["a.test", ecdsaOnly, a],
      ["a.test", rsaOnly, rsa],
      ["a.test", { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" }, rsa],
      ["a.test", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" }, a],
    ],
  }),
  shows({
    name: "prefers ECDSA wherever it stands",
    certificates: [rsa, a],
    clients: [
      ["a.test", {}, a],
      ["a.test", rsaOnly, rsa],
    ],
  }),
  shows({
    name: "refuses a client that cannot use the certificate for its name",
    certificates: [a, b],
    clients: [["b.test", rsaOnly, undefined]],
  }),
  shows({
    name: "for an unknown name only the first certificate counts",
    certificates: [b, rsa],
    clients: [["unknown.test", rsaOnly, undefined]],
  }),
  shows({
    name: "full_scan_certs_on_sni_mismatch looks at all of them",
    certificates: [b, rsa],
    fullScan: true,
    clients: [
      ["unknown.test", rsaOnly, rsa],
      ["unknown.test", {}, b],
    ],
  }),
  shows({
    name: "a client without SNI is shown what it can use",
    certificates: [a, rsa],
    clients: [
      ["", {}, a],
      ["", rsaOnly, rsa],
    ],
  }),
  shows({
    name: "a certificate without alternative names has its common name",
    certificates: [a, certificates.nameless],
    clients: [["nameless.test", {}, certificates.nameless]],
  }),
  shows({
    name: "shows an expired certificate when it has no other",
    certificates: [certificates.expired],
    clients: [["client.test", {}, certificates.expired]],
  }),
  {
    name: "filter chains by server name, each with its own certificate",
    config: {
      listeners: [
        byName([
          answering(["a.test"], "a", a),
          answering(["*.w.test"], "w", b),
          answering([], "rest", rsa),
        ]),
      ],
    },
    run: async (t) => {
      for (const [servername, body, serial] of [
        ["a.test", "a", a.serial],
        ["x.w.test", "w", b.serial],
        ["b.test", "rest", rsa.serial],
      ] as const) {
        const client = { servername, rejectUnauthorized: false };
        assert.equal((await secureGet(t, "/", client)).body, body);
        await using connection = await secure(t, client);
        assert.equal(
          connection.socket.getPeerX509Certificate()?.serialNumber,
          serial.toUpperCase(),
        );
      }
    },
  },
  {
    name: "access logs know the server name that the inspector saw",
    config: {
      listeners: [
        byName([
          {
            filters: [
              connectionManager({
                routes: [route({ prefix: "/" }, direct("x"))],
                logFormat: "%REQUESTED_SERVER_NAME% %FILTER_CHAIN_NAME%",
              }),
            ],
            name: "only",
            transport_socket: downstreamTls(),
          },
        ]),
      ],
    },
    run: async (t) => {
      await secureGet(t, "/", { servername: "A.test", rejectUnauthorized: false });
      assert.equal(await t.logLine(), "a.test only");
    },
  },
  {
    name: "TLS that is not ours passes through to the upstream of its name",
    config: {
      listeners: [
        byName([
          {
            filter_chain_match: { server_names: ["through.test"] },
            filters: [
              extension(
                "envoy.filters.network.tcp_proxy",
                "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                { stat_prefix: "{case}", cluster: "{case}-main" },
              ),
            ],
          },
          answering([], "terminated", a),
        ]),
      ],
    },
    upstream: echo(),
    upstreamTls: { cert: b.certificate, key: b.key },
    run: async (t) => {
      const socket = connect({
        ...t.address(),
        ...{ servername: "through.test", ca: authority.certificate, rejectUnauthorized: false },
      });
      await once(socket, "secureConnect");
      assert.equal(socket.getPeerX509Certificate()?.serialNumber, b.serial.toUpperCase());
      const echoed = once(socket, "data");
      socket.write("over");
      assert.equal(String((await echoed)[0]), "over");
      socket.destroy();
      assert.equal((await secureGet(t, "/")).body, "terminated");
      await t.stats({
        "listener.{case}.ssl.handshake": 1,
        "tcp.{case}.downstream_cx_total": 1,
      });
    },
  },
  {
    name: "plain text and TLS on one port",
    config: {
      listeners: [
        byName([
          {
            filter_chain_match: { transport_protocol: "tls" },
            filters: [connectionManager({ routes: [route({ prefix: "/" }, direct("tls"))] })],
            transport_socket: downstreamTls(),
          },
          {
            filter_chain_match: { transport_protocol: "raw_buffer" },
            filters: [connectionManager({ routes: [route({ prefix: "/" }, direct("plain"))] })],
          },
        ]),
      ],
    },
    run: async (t) => {
      assert.equal((await secureGet(t, "/")).body, "tls");
      assert.equal((await t.get("/")).body, "plain");
    },
  },
  {
    name: "a chain for an ALPN protocol that the inspector saw",
    config: {
      listeners: [
        byName([
          {
            filter_chain_match: { application_protocols: ["special"] },
            filters: [connectionManager({ routes: [route({ prefix: "/" }, direct("special"))] })],
            transport_socket: downstreamTls({ common: { alpn_protocols: ["special"] } }),
          },
          answering([], "usual", a),
        ]),
      ],
    },
    run: async (t) => {
      assert.equal((await secureGet(t, "/", { ALPNProtocols: ["special"] })).body, "special");
      assert.equal((await secureGet(t, "/")).body, "usual");
    },
  },
  {
    name: "a name that no chain has is closed without a handshake",
    config: { listeners: [byName([answering(["a.test"], "a", a)])] },
    run: async (t) => {
      await refused(t, { servername: "other.test" });
      await t.stats({
        "listener.{case}.no_filter_chain_match": 1,
        "listener.{case}.ssl.handshake": 0,
        "listener.{case}.ssl.connection_error": 0,
      });
    },
  },
]);
