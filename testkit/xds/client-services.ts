import type { ApiConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { systemClock } from "#lib/clock.ts";
import { ipAddress } from "#net/address.ts";
import { connect } from "#net/connect.ts";
import type { XdsClientServices } from "#xds/client.ts";
import { seededRandom } from "../seeded-random.ts";

/** A client whose clusters are ports of this machine: the cluster "1234" is 127.0.0.1:1234. */
export function clientServices(changes: Partial<XdsClientServices> = {}): XdsClientServices {
  return {
    node: { id: "test-node", cluster: "test" },
    version: "1.2.3",
    cluster: (name) => ({
      connect: (callbacks) => connect(ipAddress("127.0.0.1", Number(name)), {}, callbacks),
    }),
    supported: undefined,
    clock: systemClock,
    random: seededRandom(1),
    log: () => {},
    ...changes,
  };
}

/** An ApiConfigSource for servers on these ports, tried again soon. */
export function apiSource(
  apiType: "GRPC" | "DELTA_GRPC",
  ...ports: readonly number[]
): ApiConfigSourceJson {
  return {
    apiType,
    transportApiVersion: "V3",
    setNodeOnFirstMessageOnly: true,
    grpcServices: ports.map((port) => ({
      envoyGrpc: {
        clusterName: String(port),
        retryPolicy: { retryBackOff: { baseInterval: "0.02s", maxInterval: "0.1s" } },
      },
    })),
  };
}
