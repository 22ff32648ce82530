import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { systemRandom } from "#lib/random.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { createAccessLogSinks } from "../access-log/sinks.ts";
import { LayeredRuntime } from "../runtime-layers.ts";
import { MainStats } from "../stats/main-stats.ts";
import { secretKey } from "../tls/secrets.ts";
import { HealthCheckers } from "./checkers.ts";

const secret = { name: "ca", sdsConfig: { ads: {} } };
const typedConfig: object = {
  "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
  commonTlsContext: { validationContextSdsSecretConfig: secret },
};
const config: ClusterJson = {
  name: "web",
  healthChecks: [
    {
      timeout: "1s",
      interval: "1s",
      unhealthyThreshold: 1,
      healthyThreshold: 1,
      tcpHealthCheck: {},
    },
  ],
  transportSocket: { name: "tls", typedConfig },
};

test("checks of a cluster that is gone hear of its secrets no more", () => {
  const clock = new FakeClock();
  const stats = new MainStats();
  const nothing = () => undefined;
  const checkers = new HealthCheckers(
    {},
    {
      clock,
      random: systemRandom,
      runtime: LayeredRuntime.from(undefined),
      stats,
      logs: createAccessLogSinks({
        flushIntervalMs: 1000,
        flushBytesMin: 1,
        clock,
        stats: stats.own,
        log: nothing,
      }),
      log: nothing,
      publish: nothing,
      onChange: nothing,
      onHealthy: nothing,
    },
  );
  const updates = stats.own
    .scope("cluster.web.client_ssl_socket_factory.")
    .counter("ssl_context_update_by_sds");
  const send = () =>
    checkers.onBroadcast({
      kind: "secret",
      key: secretKey(secret),
      secret: { name: "ca", validationContext: {} },
    });
  checkers.add(config);
  send();
  assert.equal(updates.value, 1);
  checkers.remove("web");
  send();
  assert.equal(updates.value, 1);
});
