/** Whether the real Envoy, and Heddle's own proxy, take what Pilot generates. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "@bufbuild/protobuf";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import { envoyPath } from "./envoy-binary.ts";

export interface Generated {
  readonly clusters?: readonly ClusterJson[];
  readonly endpoints?: readonly ClusterLoadAssignmentJson[];
  readonly listeners?: readonly ListenerJson[];
  readonly routes?: readonly RouteConfigurationJson[];
}

/** What Envoy says against it; undefined: nothing. */
export function envoyProblem(generated: Generated): Promise<string | undefined> {
  return problem(generated, envoyPath(), (file) => [
    ...["--mode", "validate", "--use-dynamic-base-id", "--concurrency", "1"],
    ...["-l", "warn", "-c", file],
  ]);
}

const heddle = fileURLToPath(new URL("../src/main/heddle.ts", import.meta.url));

/** What Heddle's own proxy says against it; undefined: nothing. */
export function heddleProblem(generated: Generated): Promise<string | undefined> {
  return problem(generated, process.execPath, (file) => [
    ...[heddle, "proxy", "--mode", "validate", "--concurrency", "1", "-c", file],
  ]);
}

async function problem(
  generated: Generated,
  program: string,
  flags: (file: string) => readonly string[],
): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-validate-"));
  try {
    const file = join(folder, "bootstrap.json");
    writeFileSync(file, JSON.stringify(bootstrapOf(generated)));
    return await new Promise((resolve) => {
      execFile(program, flags(file), (error, stdout, stderr) => {
        resolve(error === null ? undefined : `${stdout}${stderr}`);
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const xdsCluster = "xds-grpc";

/**
 * A bootstrap that holds all of it. What would come by its own subscription is put where Envoy looks at it at once: endpoints into
 * clusters of their own, routes into listeners of their own.
 */
export function bootstrapOf(generated: Generated): JsonObject {
  const { clusters = [], endpoints = [], listeners = [], routes = [] } = generated;
  const json: unknown = {
    node: { id: "sidecar~10.0.0.1~app.default~default.svc.cluster.local", cluster: "app" },
    dynamicResources: {
      adsConfig: {
        apiType: "GRPC",
        transportApiVersion: "V3",
        grpcServices: [{ envoyGrpc: { clusterName: xdsCluster } }],
      },
    },
    staticResources: {
      clusters: [management(), ...clusters, ...endpoints.map(withEndpoints)],
      listeners: [...listeners, ...routes.map(withRoutes)],
    },
  };
  return plain(json);
}

/** Without what is undefined, as it goes into the file. */
function plain(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value));
}

function management(): unknown {
  return {
    name: xdsCluster,
    type: "STATIC",
    connectTimeout: "1s",
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    },
    loadAssignment: {
      clusterName: xdsCluster,
      endpoints: [
        {
          lbEndpoints: [
            { endpoint: { address: { socketAddress: { address: "127.0.0.1", portValue: 1 } } } },
          ],
        },
      ],
    },
  };
}

function withEndpoints(assignment: ClusterLoadAssignmentJson): unknown {
  return {
    name: `endpoints of ${assignment.clusterName}`,
    type: "STATIC",
    connectTimeout: "1s",
    loadAssignment: assignment,
  };
}

function withRoutes(routeConfig: RouteConfigurationJson, index: number): unknown {
  const manager = "envoy.extensions.filters.network.http_connection_manager.v3";
  const router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
  return {
    name: `routes ${routeConfig.name}`,
    address: { socketAddress: { address: "127.0.0.1", portValue: 20_000 + index } },
    bindToPort: false,
    filterChains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typedConfig: {
              "@type": `type.googleapis.com/${manager}.HttpConnectionManager`,
              statPrefix: "routes",
              // Destinations that do not exist are nobody's mistake here: they answer 503.
              routeConfig: { ...routeConfig, validateClusters: false },
              httpFilters: [
                { name: "envoy.filters.http.router", typedConfig: { "@type": router } },
              ],
            },
          },
        ],
      },
    ],
  };
}
