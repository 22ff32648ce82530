import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { runH2spec } from "../../testkit/h2spec.ts";
import { startTinyServer } from "../../testkit/http2/tiny-server.ts";
import { extension, router } from "../parity/harness/config.ts";
import type { JsonObject } from "../parity/harness/placeholders.ts";
import { downstreamTls } from "../parity/harness/tls.ts";
import { cluster, loopback, start } from "./support.ts";

const managerType =
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const optionsType = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** A listener `main` that speaks HTTP/2 alone, in front of a server that answers a request when it has ended. */
function bootstrap(upstreamPort: number, transportSocket?: JsonObject): JsonObject {
  const manager = extension("envoy.filters.network.http_connection_manager", managerType, {
    stat_prefix: "main",
    codec_type: "HTTP2",
    // The case for too many streams opens as many as it is told are allowed.
    http2_protocol_options: { max_concurrent_streams: 100 },
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "main" } }],
        },
      ],
    },
    http_filters: [router()],
  });
  const { typed_config } = extension(optionsType, optionsType, {
    explicit_http_config: { http2_protocol_options: {} },
  });
  const chain =
    transportSocket === undefined
      ? { filters: [manager] }
      : { filters: [manager], transport_socket: transportSocket };
  return {
    admin: { address: loopback },
    static_resources: {
      listeners: [{ name: "main", address: loopback, filter_chains: [chain] }],
      clusters: [
        cluster("main", upstreamPort, {
          typed_extension_protocol_options: { [optionsType]: typed_config },
        }),
      ],
    },
  };
}

async function judge(t: TestContext, transportSocket?: JsonObject): Promise<void> {
  const server = await startTinyServer();
  t.after(() => server.close());
  const proxy = await start(t, bootstrap(server.port, transportSocket));
  // The address of a TCP listener.
  const { port } = proxy.listener("main") as { port: number };
  const verdict = await runH2spec({ port, tls: transportSocket !== undefined });
  assert.equal(verdict.failures, "");
  assert.deepEqual([verdict.tests, verdict.passed], [146, 146]);
}

test("through the proxy every case of h2spec passes", { timeout: 300_000 }, (t) => judge(t));

test("and over TLS", { timeout: 300_000 }, (t) =>
  judge(t, downstreamTls({ common: { alpn_protocols: ["h2"] } })),
);
