import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { compileHealthCheck } from "./config.ts";

const check = {
  timeout: "1s",
  interval: "10s",
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  tcpHealthCheck: {},
};

const refuses = (cluster: ClusterJson, reason: RegExp): void => {
  assert.throws(() => compileHealthCheck({ name: "a", ...cluster }), reason);
};

test("a cluster without checks has none", () => {
  assert.equal(compileHealthCheck({ name: "a" }), undefined);
});

test("intervals follow from each other", () => {
  const { schedule } = compileHealthCheck({ healthChecks: [check] }) ?? {};
  assert.equal(schedule?.unhealthyEdgeIntervalMs, 10_000);
  assert.equal(schedule?.noTrafficHealthyIntervalMs, 60_000);
  const healthChecks = [{ ...check, unhealthyInterval: "3s", noTrafficInterval: "4s" }];
  const other = compileHealthCheck({ healthChecks })?.schedule;
  assert.equal(other?.unhealthyEdgeIntervalMs, 3000);
  assert.equal(other?.healthyEdgeIntervalMs, 10_000);
  assert.equal(other?.noTrafficHealthyIntervalMs, 4000);
});

test("what is missing or too much is named", () => {
  const { timeout: _timeout, ...noTimeout } = check;
  refuses({ healthChecks: [noTimeout] }, /health_checks\[0\]\.timeout/);
  refuses({ healthChecks: [{ ...check, interval: "0s" }] }, /health_checks\[0\]\.interval/);
  refuses({ healthChecks: [check, check] }, /more than one/);
  refuses({ type: "ORIGINAL_DST", healthChecks: [check] }, /ORIGINAL_DST/);
  refuses(
    {
      healthChecks: [check],
      transportSocket: {
        typedConfig: {
          "@type":
            "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        },
      },
    },
    /PROXY header/,
  );
});
