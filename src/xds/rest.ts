import { fromJsonString } from "@bufbuild/protobuf";
import { DiscoveryRequestSchema } from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { registry } from "#gen/registry.js";
import { GrpcCode, GrpcError } from "#grpc/status.ts";
import { NamePool } from "./name-set.ts";
import type { ResourceSet } from "./resource-set.ts";
import type { ResourceType } from "./resource-type.ts";
import { fetchResources } from "./server/fetch.ts";
import { nodeJson } from "./server/node-json.ts";
import type { ResourceSource } from "./source.ts";
import { typeServices } from "./type-services.ts";

export interface RestAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const prefix = "/v3/discovery:";

/** REST-JSON polling (`POST /v3/discovery:clusters` …): a whole state of the world, or 304 when the client has it. */
export class RestDiscovery {
  readonly #source: ResourceSource;
  readonly #pool = new NamePool();

  constructor(source: ResourceSource) {
    this.#source = source;
  }

  /** Undefined: the path is not one of discovery's. */
  answer(request: {
    readonly method: string;
    readonly path: string;
    readonly body: string;
  }): Promise<RestAnswer> | undefined {
    if (!request.path.startsWith(prefix)) return undefined;
    const name = request.path.slice(prefix.length).split("?", 1)[0];
    const service = typeServices.find(
      ({ restName }) => restName !== undefined && restName === name,
    );
    if (service === undefined)
      return Promise.resolve(text(404, `no discovery of ${JSON.stringify(name)}`));
    if (request.method !== "POST")
      return Promise.resolve(text(405, `${prefix}${name} is asked with POST`));
    return this.#answer(service.type, request.body);
  }

  async #answer(type: ResourceType, body: string): Promise<RestAnswer> {
    try {
      const { node, resourceNames, versionInfo } = fromJsonString(DiscoveryRequestSchema, body, {
        registry,
        // Clients of other versions ask too.
        ignoreUnknownFields: true,
      });
      const set = await fetchResources({
        source: this.#source,
        pool: this.#pool,
        type,
        node: nodeJson(node),
        names: resourceNames,
      });
      if (versionInfo === set.version) return text(304, "");
      return { status: 200, contentType: "application/json", body: responseText(type, set) };
    } catch (error) {
      return refusal(error);
    }
  }
}

function responseText({ typeUrl }: ResourceType, set: ResourceSet): string {
  const resources = [...set.values()].map(({ object }) => ({ "@type": typeUrl, ...object }));
  return JSON.stringify({ versionInfo: set.version, typeUrl, resources, nonce: set.version });
}

function refusal(error: unknown): RestAnswer {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof GrpcError)) return text(400, `the request cannot be read: ${message}`);
  return text(httpStatus(error.code), message);
}

/** google.rpc.Code's own table. */
function httpStatus(code: number): number {
  switch (code) {
    case GrpcCode.invalidArgument:
      return 400;
    case GrpcCode.unauthenticated:
      return 401;
    case GrpcCode.permissionDenied:
      return 403;
    case GrpcCode.resourceExhausted:
      return 429;
    case GrpcCode.unavailable:
      return 503;
    default:
      return 500;
  }
}

function text(status: number, message: string): RestAnswer {
  return { status, contentType: "text/plain", body: message === "" ? "" : `${message}\n` };
}
