import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { Protocol } from "#model/service.ts";
import { defaultRouteName } from "./route.ts";

export interface InboundTarget {
  /** `inbound|9080||` */
  readonly cluster: string;
  readonly hostname: string;
  /** The service's port. */
  readonly port: number;
  readonly protocol: Protocol;
}

/** The routes of an inbound listener, sent with it: everything goes to the workload, however long it takes. */
export function inboundRoute({
  cluster,
  hostname,
  port,
  protocol,
}: InboundTarget): RouteConfigurationJson {
  const grpc = protocol === "GRPC" || protocol === "GRPC-Web";
  return {
    name: cluster,
    virtualHosts: [
      {
        name: `inbound|http|${port}`,
        domains: ["*"],
        routes: [
          {
            name: defaultRouteName,
            match: { prefix: "/" },
            route: {
              cluster,
              timeout: "0s",
              // A gRPC client retries by itself what the workload has not seen.
              ...(!grpc && { retryPolicy: { retryOn: "reset-before-request", numRetries: 2 } }),
              maxStreamDuration: { maxStreamDuration: "0s", grpcTimeoutHeaderMax: "0s" },
            },
            decorator: { operation: `${hostname}:${port}/*` },
          },
        ],
      },
    ],
    validateClusters: false,
  };
}
