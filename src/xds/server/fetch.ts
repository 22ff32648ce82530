import { create, type DescMethod } from "@bufbuild/protobuf";
import type { NodeJson } from "#gen/envoy/config/core/v3/base_pb.js";
import {
  type DiscoveryRequest,
  DiscoveryResponseSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { unary } from "#grpc/handlers.ts";
import type { MethodHandler } from "#grpc/server-call.ts";
import type { NamePool } from "../name-set.ts";
import type { ResourceSet } from "../resource-set.ts";
import type { ResourceType } from "../resource-type.ts";
import type { ResourceSource } from "../source.ts";
import { nodeJson } from "./node-json.ts";

interface FetchOptions {
  readonly source: ResourceSource;
  readonly pool: NamePool;
  readonly type: ResourceType;
  readonly node: NodeJson;
  readonly names: readonly string[];
}

/** What a client without a stream is to have: everything it asks for, each time. */
export async function fetchResources(options: FetchOptions): Promise<ResourceSet> {
  const { source, pool, type, node } = options;
  const names = new Set(options.names);
  const wildcard = names.delete("*") || (names.size === 0 && type.wildcard);
  const snapshot = await source.snapshot(node);
  return snapshot.resources(type, wildcard ? undefined : pool.of(names));
}

/** The unary methods (`FetchClusters` …). */
export function fetchHandler(
  source: ResourceSource,
  pool: NamePool,
  type: ResourceType,
): MethodHandler<DescMethod> {
  return unary<DescMethod>(async (message) => {
    // Proof: the methods that this handler is registered for take nothing else.
    const { node, resourceNames: names } = message as DiscoveryRequest;
    const set = await fetchResources({ source, pool, type, node: nodeJson(node), names });
    const resources = [...set.values()].map(({ bytes }) => ({
      typeUrl: type.typeUrl,
      value: bytes,
    }));
    return create(DiscoveryResponseSchema, {
      versionInfo: set.version,
      typeUrl: type.typeUrl,
      resources,
    });
  });
}
