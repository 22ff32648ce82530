import assert from "node:assert/strict";
import { test } from "node:test";
import type { LbEndpointJson } from "#gen/envoy/config/endpoint/v3/endpoint_components_pb.js";
import { ipAddress } from "#net/address.ts";
import { membersOf } from "./load-assignment.ts";

const at = (address: string, extra: LbEndpointJson = {}): LbEndpointJson => ({
  endpoint: { address: { socketAddress: { address, portValue: 80 } } },
  ...extra,
});

test("endpoints have the facts of their locality", () => {
  const members = membersOf("c", {
    endpoints: [
      {
        locality: { region: "r", zone: "z", subZone: "s" },
        priority: 1,
        loadBalancingWeight: 7,
        lbEndpoints: [
          at("10.0.0.1", {
            loadBalancingWeight: 3,
            metadata: { filterMetadata: { a: { b: "c" } } },
          }),
        ],
      },
    ],
    policy: { overprovisioningFactor: 200 },
  });
  assert.deepEqual(members, {
    cluster: "c",
    endpoints: [
      {
        address: ipAddress("10.0.0.1", 80),
        hostname: "",
        weight: 3,
        health: "healthy",
        edsHealth: "UNKNOWN",
        metadata: { a: { b: "c" } },
        locality: { region: "r", zone: "z", subZone: "s" },
        priority: 1,
      },
    ],
    localityWeights: { "1/r/z/s": 7 },
    overprovisioningFactor: 200,
    dropFraction: 0,
  });
});

test("what health_status means", () => {
  const statuses = ["UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"] as const;
  const lbEndpoints = statuses.map((healthStatus, index) =>
    at(`10.0.0.${index}`, { healthStatus }),
  );
  const { endpoints } = membersOf("c", { endpoints: [{ lbEndpoints }] });
  assert.deepEqual(
    endpoints.map(({ health }) => health),
    ["healthy", "healthy", "unhealthy", "unhealthy", "unhealthy", "degraded"],
  );
});

test("a pipe is an address, a name is not", () => {
  const pipe: LbEndpointJson = { endpoint: { address: { pipe: { path: "/run/x.sock" } } } };
  const { endpoints } = membersOf("c", { endpoints: [{ lbEndpoints: [pipe, at("2001:db8::1")] }] });
  assert.deepEqual(
    endpoints.map(({ address }) => address.family),
    ["pipe", 6],
  );
  assert.throws(
    () => membersOf("c", { endpoints: [{ lbEndpoints: [at("name.test")] }] }),
    /malformed IP address: name\.test.*STRICT_DNS/,
  );
  assert.throws(() => membersOf("c", { endpoints: [{ lbEndpoints: [{}] }] }), /needs a socket/);
});

test("drop_overloads come one after the other", () => {
  const half = { dropPercentage: { numerator: 50, denominator: "HUNDRED" } } as const;
  const { dropFraction } = membersOf("c", { policy: { dropOverloads: [half, half] } });
  assert.equal(dropFraction, 0.75);
});
