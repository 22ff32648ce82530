import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { aScope, aService, aView, type Seen } from "../../../../testkit/pilot-view.ts";
import { generateClusters } from "./generate.ts";

const reviews = aService({ hostname: "reviews.default.svc.cluster.local" });

function cluster(seen: Seen, scope: Parameters<typeof aScope>[1] = {}): ClusterJson {
  const [first] = generateClusters(aView(aScope([seen], scope)));
  assert.ok(first);
  return first;
}

test("a service without rules has Istio's defaults", () => {
  assert.deepEqual(cluster({ service: reviews }), {
    name: "outbound|80||reviews.default.svc.cluster.local",
    altStatName: "outbound|80||reviews.default.svc.cluster.local;",
    type: "EDS",
    commonLbConfig: { healthyPanicThreshold: { value: 0 } },
    connectTimeout: "10s",
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: 4294967295,
          maxPendingRequests: 4294967295,
          maxRequests: 4294967295,
          maxRetries: 4294967295,
          trackRemaining: true,
        },
      ],
    },
    lbPolicy: "LEAST_REQUEST",
    edsClusterConfig: {
      serviceName: "outbound|80||reviews.default.svc.cluster.local",
      edsConfig: { ads: {}, initialFetchTimeout: "0s", resourceApiVersion: "V3" },
    },
    metadata: {
      filterMetadata: {
        istio: {
          services: [
            {
              host: "reviews.default.svc.cluster.local",
              name: "reviews",
              namespace: "default",
            },
          ],
        },
      },
    },
  });
});
