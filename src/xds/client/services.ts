import type { DescMethod, DescMethodBiDiStreaming } from "@bufbuild/protobuf";
import { AggregatedDiscoveryService } from "#gen/envoy/service/discovery/v3/ads_pb.js";
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  type DiscoveryResponseSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceType } from "../resource-type.ts";
import { typeServices } from "../type-services.ts";

export type SotwMethod = DescMethodBiDiStreaming<
  typeof DiscoveryRequestSchema,
  typeof DiscoveryResponseSchema
>;
export type DeltaMethod = DescMethodBiDiStreaming<
  typeof DeltaDiscoveryRequestSchema,
  typeof DeltaDiscoveryResponseSchema
>;

/** What a stream can be opened with; undefined: the API does not have it. */
export interface StreamMethods {
  readonly sotw: SotwMethod | undefined;
  readonly delta: DeltaMethod | undefined;
}

/** Undefined: of ADS. */
export function methodsOf(type: ResourceType | undefined): StreamMethods {
  if (type === undefined) {
    const { streamAggregatedResources: sotw, deltaAggregatedResources: delta } =
      AggregatedDiscoveryService.method;
    return { sotw, delta };
  }
  const methods = typeServices.find((one) => one.type === type)?.service.methods ?? [];
  return { sotw: methods.find(isSotw), delta: methods.find(isDelta) };
}

function isSotw(method: DescMethod): method is SotwMethod {
  return method.methodKind === "bidi_streaming" && method.input === DiscoveryRequestSchema;
}

function isDelta(method: DescMethod): method is DeltaMethod {
  return method.methodKind === "bidi_streaming" && method.input === DeltaDiscoveryRequestSchema;
}

/** Of REST, below the server's root; undefined: the type has none. */
export function restPathOf(type: ResourceType): string | undefined {
  const name = typeServices.find((one) => one.type === type)?.restName;
  return name && `/v3/discovery:${name}`;
}
