import assert from "node:assert/strict";
import { test } from "node:test";
import { inboundRoute } from "./inbound.ts";

const target = {
  cluster: "inbound|8080||",
  hostname: "reviews.default.svc.cluster.local",
  port: 80,
  protocol: "HTTP",
} as const;

test("everything goes to the workload, without a timeout, again if it saw nothing of it", () => {
  const zero = { maxStreamDuration: "0s", grpcTimeoutHeaderMax: "0s" };
  assert.deepEqual(inboundRoute(target), {
    name: "inbound|8080||",
    virtualHosts: [
      {
        name: "inbound|http|80",
        domains: ["*"],
        routes: [
          {
            name: "default",
            match: { prefix: "/" },
            route: {
              cluster: "inbound|8080||",
              timeout: "0s",
              retryPolicy: { retryOn: "reset-before-request", numRetries: 2 },
              maxStreamDuration: zero,
            },
            decorator: { operation: "reviews.default.svc.cluster.local:80/*" },
          },
        ],
      },
    ],
    validateClusters: false,
  });
});

test("gRPC calls are not retried on the way in", () => {
  const routes = inboundRoute({ ...target, protocol: "GRPC" });
  assert.equal(routes.virtualHosts?.[0]?.routes?.[0]?.route?.retryPolicy, undefined);
});
