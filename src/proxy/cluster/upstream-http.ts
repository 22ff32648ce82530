import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type {
  Http1ProtocolOptionsJson,
  Http2ProtocolOptionsJson,
  HttpProtocolOptionsJson,
  UpstreamHttpProtocolOptionsJson,
} from "#gen/envoy/config/core/v3/protocol_pb.js";
import type { HttpProtocolOptionsJson as UpstreamHttpOptionsJson } from "#gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import type { Http1ClientOptions } from "#http/h1/client.ts";
import type { HttpVersion, RequestHead } from "#http/message.ts";
import { refuse, within } from "#lib/config-error.ts";
import type { HashPolicy } from "../balancer/hash-policy.ts";
import { compileNameCase, fieldsMax } from "../http-options.ts";
import { type CompiledHttp2, compileHttp2 } from "../http2-options.ts";
import { compileHashPolicy } from "../route/hash-policy.ts";
import { compileAutoSni, type RequestedName } from "../tls/auto-sni.ts";
import { dynamicClusterOf } from "./cluster-type.ts";

const optionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** How a cluster speaks HTTP. */
export interface UpstreamHttp {
  /** "downstream": as the client does; undefined: as TLS agrees. */
  readonly protocol: HttpVersion | "downstream" | undefined;
  readonly common: HttpProtocolOptionsJson | undefined;
  readonly http1: Http1ClientOptions;
  readonly http2: CompiledHttp2;
  /** The server that a request is for, when requests say; undefined: connections serve any request. */
  readonly requestedName: ((head: RequestHead) => RequestedName) | undefined;
  /** In the place of the routes'. */
  readonly hashPolicy: HashPolicy | undefined;
}

interface Choice {
  readonly protocol: UpstreamHttp["protocol"];
  readonly common: HttpProtocolOptionsJson | undefined;
  readonly http1: Http1ProtocolOptionsJson | undefined;
  readonly http2: Http2ProtocolOptionsJson | undefined;
}

export function compileUpstreamHttp(config: ClusterJson, bufferLimit: number): UpstreamHttp {
  const { protocol, common, http1, http2 } = choose(config);
  // A connection manager has these, so the table of supported fields has them too.
  if (common?.maxStreamDuration !== undefined)
    throw refuse(
      "common_http_protocol_options.max_stream_duration",
      "is not supported in clusters; use the route's max_stream_duration",
    );
  return {
    protocol,
    common,
    http1: {
      headBytesMax: (common?.maxResponseHeadersKb ?? 80) * 1024,
      fieldsMax: fieldsMax(common),
      lenient: undefined,
      enableTrailers: http1?.enableTrailers ?? false,
      nameCase: compileNameCase(http1),
      allowChunkedLength: http1?.allowChunkedLength ?? false,
    },
    http2: within("http2_protocol_options", () =>
      compileHttp2(http2, { common, headersKb: common?.maxResponseHeadersKb ?? 60, bufferLimit }),
    ),
    requestedName: compileAutoSni(serverNames(config)),
    hashPolicy: within(optionsKey, () => compileHashPolicy(typedOptions(config)?.hashPolicy)),
  };
}

/** Servers that clients choose must be who they are said to be, unless the configuration is told to be insecure. */
function serverNames(config: ClusterJson): UpstreamHttpProtocolOptionsJson | undefined {
  const typed = typedOptions(config);
  const old = config.upstreamHttpProtocolOptions;
  const dynamic = dynamicClusterOf(config);
  if (dynamic === undefined) return typed?.upstreamHttpProtocolOptions ?? old;
  const chosen =
    typed === undefined
      ? (old ?? { autoSni: true, autoSanValidation: true })
      : typed.upstreamHttpProtocolOptions;
  const secure = chosen?.autoSni === true && chosen.autoSanValidation === true;
  if (!secure && dynamic.allowInsecureClusterOptions !== true)
    throw refuse(
      "upstream_http_protocol_options",
      "dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set.",
    );
  return chosen;
}

/** The new way (typed_extension_protocol_options) or the old fields, never both. */
function choose(config: ClusterJson): Choice {
  const typed = typedOptions(config);
  return typed === undefined ? chooseOld(config) : within(optionsKey, () => chooseNew(typed));
}

function typedOptions(config: ClusterJson): UpstreamHttpOptionsJson | undefined {
  // Proof: the reader checked what stands under this key.
  return config.typedExtensionProtocolOptions?.[optionsKey] as UpstreamHttpOptionsJson | undefined;
}

function chooseOld(config: ClusterJson): Choice {
  const http1 = config.httpProtocolOptions;
  const http2 = config.http2ProtocolOptions;
  const common = config.commonHttpProtocolOptions;
  const asDownstream = config.protocolSelection === "USE_DOWNSTREAM_PROTOCOL";
  const fixed = http2 === undefined ? 11 : 20;
  return { protocol: asDownstream ? "downstream" : fixed, common, http1, http2 };
}

function chooseNew(typed: UpstreamHttpOptionsJson): Choice {
  const common = typed.commonHttpProtocolOptions;
  const { explicitHttpConfig, useDownstreamProtocolConfig, autoConfig } = typed;
  if (explicitHttpConfig !== undefined) {
    const { httpProtocolOptions: http1, http2ProtocolOptions: http2 } = explicitHttpConfig;
    if (explicitHttpConfig.http3ProtocolOptions !== undefined)
      throw refuse("explicit_http_config.http3_protocol_options", "HTTP/3 is not supported");
    return { protocol: http2 === undefined ? 11 : 20, common, http1, http2 };
  }
  const choice = useDownstreamProtocolConfig ?? autoConfig;
  if (choice?.http3ProtocolOptions !== undefined)
    throw refuse("http3_protocol_options", "HTTP/3 is not supported");
  return {
    protocol: useDownstreamProtocolConfig === undefined ? undefined : "downstream",
    common,
    http1: choice?.httpProtocolOptions,
    http2: choice?.http2ProtocolOptions,
  };
}
