import assert from "node:assert/strict";
import { echo } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { cluster, extension, type JsonObject, listener } from "./harness/config.ts";
import { certificates, own } from "./harness/tls.ts";

const startTls = (kind: string, config: JsonObject): JsonObject =>
  extension(
    "envoy.transport_sockets.starttls",
    `envoy.extensions.transport_sockets.starttls.v3.${kind}`,
    config,
  );
const tcpProxy = extension(
  "envoy.filters.network.tcp_proxy",
  "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
  { stat_prefix: "{case}", cluster: "{case}-main" },
);
const downstream = startTls("StartTlsConfig", {
  cleartext_socket_config: {},
  tls_socket_config: { common_tls_context: { tls_certificates: [own(certificates.a)] } },
});
const upstream = startTls("UpstreamStartTlsConfig", {
  tls_socket_config: { common_tls_context: {} },
});

const cases: readonly ParityCase[] = [
  {
    name: "both sides are clear text until a filter asks for TLS, which none does",
    config: {
      listeners: [
        listener([], { filter_chains: [{ filters: [tcpProxy], transport_socket: downstream }] }),
      ],
      clusters: [cluster("main", { transport_socket: upstream })],
    },
    upstream: echo(),
    run: async (t) => {
      const client = await t.connect();
      client.write("clear text");
      await client.until("echo", ({ unread }) => (unread === "clear text" ? true : undefined));
      await t.stats({ "tcp.{case}.downstream_cx_total": 1 });
    },
  },
  {
    name: "the certificates of a TLS that never begins are on /certs",
    config: {
      listeners: [
        listener([], { filter_chains: [{ filters: [tcpProxy], transport_socket: downstream }] }),
      ],
      clusters: [cluster("main")],
    },
    upstream: echo(),
    own: {},
    run: async (t) => {
      const { body } = await t.admin("/certs");
      assert.match(body, new RegExp(certificates.a.serial, "i"));
    },
  },
  {
    name: "a bad context is refused all the same",
    config: {
      listeners: [
        listener([], {
          filter_chains: [
            {
              filters: [tcpProxy],
              transport_socket: startTls("StartTlsConfig", {
                tls_socket_config: {
                  common_tls_context: {
                    tls_certificates: [
                      { ...own(certificates.a), private_key: { inline_string: "no key" } },
                    ],
                  },
                },
              }),
            },
          ],
        }),
      ],
      clusters: [cluster("main")],
    },
    upstream: echo(),
    own: { start: false },
    run: async (t) => {
      const { code } = await t.command("--mode", "validate");
      assert.notEqual(code, 0);
    },
  },
];

parityArea("tls-starttls", cases);
