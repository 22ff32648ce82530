/** A proxy, real Envoy or Heddle's, that gets everything from an xDS server. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type {
  ApiConfigSource_ApiTypeJson,
  ApiConfigSourceJson,
  ConfigSourceJson,
} from "#gen/envoy/config/core/v3/config_source_pb.js";
import { jsonPath } from "../parity/harness/placeholders.ts";
import { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { envoy as realEnvoy, type Side } from "../parity/harness/sides.ts";

export type Transport = "ads-sotw" | "ads-delta" | "streams-sotw" | "streams-delta" | "rest";

export const transports: readonly Transport[] = [
  "ads-sotw",
  "ads-delta",
  "streams-sotw",
  "streams-delta",
  "rest",
];

const apiTypes: Readonly<Record<Transport, ApiConfigSource_ApiTypeJson>> = {
  "ads-sotw": "GRPC",
  "ads-delta": "DELTA_GRPC",
  "streams-sotw": "GRPC",
  "streams-delta": "DELTA_GRPC",
  rest: "REST",
};

/** Where resources name their sources: `edsConfig`, `rds.configSource`. */
export function configSource(transport: Transport): ConfigSourceJson {
  if (transport.startsWith("ads")) return { ads: {}, resourceApiVersion: "V3" };
  return { apiConfigSource: apiSource(transport), resourceApiVersion: "V3" };
}

function apiSource(transport: Transport): ApiConfigSourceJson {
  const apiType = apiTypes[transport];
  if (transport === "rest")
    return {
      apiType,
      transportApiVersion: "V3",
      clusterNames: ["xds"],
      refreshDelay: "0.05s",
    };
  const grpcServices = [{ envoyGrpc: { clusterName: "xds" } }];
  return { apiType, transportApiVersion: "V3", grpcServices };
}

export interface EnvoyOptions {
  readonly transport: Transport;
  /** Of the xDS server. */
  readonly port: number;
  readonly id?: string;
  readonly metadata?: JsonObject;
  readonly side?: Side;
  /** Of its command line. */
  readonly arguments?: readonly string[];
  /** Added to the bootstrap. */
  readonly bootstrap?: BootstrapJson;
}

function bootstrap({ transport, port, id = "envoy", metadata = {} }: EnvoyOptions): BootstrapJson {
  const ads = transport.startsWith("ads");
  const address = { socketAddress: { address: "127.0.0.1", portValue: port } };
  const http2 = {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicitHttpConfig: { http2ProtocolOptions: {} },
  };
  return {
    node: { id, cluster: "test", metadata },
    admin: { address: { socketAddress: { address: "127.0.0.1", portValue: 0 } } },
    dynamicResources: {
      ...(ads ? { adsConfig: apiSource(transport) } : {}),
      cdsConfig: configSource(transport),
      ldsConfig: configSource(transport),
    },
    staticResources: {
      clusters: [
        {
          name: "xds",
          type: "STATIC",
          ...(transport === "rest"
            ? {}
            : {
                typedExtensionProtocolOptions: {
                  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
                },
              }),
          loadAssignment: {
            clusterName: "xds",
            endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }],
          },
        },
      ],
    },
  };
}

/** Resolves when the proxy has its first resources and listens. */
export async function startEnvoy(t: TestContext, options: EnvoyOptions): Promise<ProxyProcess> {
  const { side = realEnvoy } = options;
  const folder = mkdtempSync(join(tmpdir(), "heddle-xds-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const envoy = await ProxyProcess.start({
    side,
    // Proof: a bootstrap is JSON.
    bootstrap: JSON.parse(JSON.stringify({ ...bootstrap(options), ...options.bootstrap })),
    folder,
    arguments: options.arguments ?? [],
  });
  t.after(() => envoy.stop());
  return envoy;
}

export async function stat(envoy: ProxyProcess, name: string): Promise<number> {
  const { body } = await envoy.admin(`/stats?format=json&filter=^${name.replaceAll(".", "\\.")}$`);
  const value = jsonPath(JSON.parse(body), "stats", 0, "value");
  return typeof value === "number" ? value : 0;
}

/** Resolves when a counter is there: what it counts may be seen a moment before. */
export async function counted(envoy: ProxyProcess, name: string, count: number): Promise<void> {
  while ((await stat(envoy, name)) < count) assert.ok(envoy.running, envoy.output);
}

export interface Answered {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** GET through one of its listeners. */
export async function get(
  envoy: ProxyProcess,
  listener: string,
): Promise<Pick<Answered, "status" | "body">> {
  const { status, body } = await ask(envoy, listener);
  return { status, body };
}

/** GET with these headers, and the answer's. */
export function ask(
  envoy: ProxyProcess,
  listener: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const address = envoy.listener(listener);
  return new Promise((resolve, reject) => {
    const target = "path" in address ? { socketPath: address.path } : address;
    request({ ...target, agent: false, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        body += piece;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
      );
    })
      .on("error", reject)
      .end();
  });
}
