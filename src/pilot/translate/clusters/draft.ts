import type {
  Cluster_DiscoveryTypeJson,
  ClusterJson,
} from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { HttpProtocolOptionsJson } from "#gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { packed } from "../any.ts";
import { delimitedStatName } from "./stat-name.ts";

/** A cluster that is being put together, with its HTTP options apart until they are wrapped. */
export interface ClusterDraft {
  readonly cluster: ClusterJson & { name: string };
  http: HttpProtocolOptionsJson | undefined;
}

export function draftOf(name: string, type: Cluster_DiscoveryTypeJson): ClusterDraft {
  return {
    cluster: { name, altStatName: delimitedStatName(name), type, commonLbConfig: {} },
    http: undefined,
  };
}

export const httpOptionsType = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export function finished({ cluster, http }: ClusterDraft): ClusterJson {
  return http === undefined
    ? cluster
    : { ...cluster, typedExtensionProtocolOptions: wrappedOptions(http) };
}

export function wrappedOptions(
  http: HttpProtocolOptionsJson,
): NonNullable<ClusterJson["typedExtensionProtocolOptions"]> {
  const chosen =
    http.explicitHttpConfig ?? http.useDownstreamProtocolConfig ?? http.autoConfig ?? undefined;
  return {
    [httpOptionsType]: packed(httpOptionsType, {
      ...http,
      // Envoy requires one of the three: HTTP/1.1 is what a cluster without options speaks.
      ...(chosen === undefined ? { explicitHttpConfig: { httpProtocolOptions: {} } } : {}),
    }),
  };
}

export function speaksHttp2({ http }: ClusterDraft): boolean {
  return http?.explicitHttpConfig?.http2ProtocolOptions !== undefined;
}

export function setHttp2(draft: ClusterDraft): void {
  const { useDownstreamProtocolConfig: _other, ...http } = draft.http ?? {};
  draft.http = { ...http, explicitHttpConfig: { http2ProtocolOptions: {} } };
}

/** Upstream speaks what the client speaks. */
export function setClientProtocol(draft: ClusterDraft): void {
  const { explicitHttpConfig, ...http } = draft.http ?? {};
  draft.http = {
    ...http,
    useDownstreamProtocolConfig: {
      httpProtocolOptions: explicitHttpConfig?.httpProtocolOptions ?? {},
      http2ProtocolOptions: {},
    },
  };
}
