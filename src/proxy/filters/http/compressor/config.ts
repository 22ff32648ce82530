import type {
  Compressor_CommonDirectionConfigJson,
  CompressorJson,
  CompressorPerRouteJson,
} from "#gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { compileCompressor } from "../../../compression/compressors.ts";
import { compileRuntimeFlag } from "../../../runtime-flag.ts";
import type { Services } from "../../../services.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilterFactory } from "../filter.ts";
import {
  Compressor,
  type CompressorSettings,
  type DirectionSettings,
  type ResponseSettings,
  type RouteSettings,
} from "./compressor.ts";

const contentLengthMinDefault = 30;
const contentTypesDefault: readonly string[] = [
  "text/html",
  "text/plain",
  "text/css",
  "application/javascript",
  "application/x-javascript",
  "text/javascript",
  "text/x-javascript",
  "text/ecmascript",
  "text/js",
  "text/jscript",
  "text/x-js",
  "application/ecmascript",
  "application/x-json",
  "application/xml",
  "application/json",
  "image/svg+xml",
  "text/xml",
  "application/xhtml+xml",
  "application/grpc-web",
  "application/grpc-web+proto",
];

// The loader checked each configuration against the descriptor of the type that is named here.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.compressor",
  configType: "envoy.extensions.filters.http.compressor.v3.Compressor",
  routeConfigType: "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute",
  compile(config, { services, scope, filterName }) {
    const json = config as CompressorJson;
    const { compressorLibrary } = json;
    if (compressorLibrary === undefined) throw refuse("compressor_library", "is required");
    const codec = within("compressor_library", () => compileCompressor(compressorLibrary));
    const stats = scope.scope(`compressor.${compressorLibrary.name ?? ""}.${codec.statName}.`);
    const { requestDirectionConfig } = json;
    const settings: CompressorSettings = {
      filterName,
      codec,
      chooseFirst: json.chooseFirst ?? false,
      request: {
        ...compileDirection("request", requestDirectionConfig?.commonConfig, services, {
          common: stats.scope("request."),
        }),
        ...(requestDirectionConfig === undefined ? { enabled: () => false } : {}),
      },
      response: compileResponse(json, services, stats),
    };
    return (stream) => new Compressor(settings, stream);
  },
  compileRoute(config): RouteSettings {
    const { disabled, overrides } = config as CompressorPerRouteJson;
    const library = overrides?.compressorLibrary;
    const response = overrides?.responseDirectionConfig;
    return {
      responseEnabled: disabled === true ? false : response === undefined ? undefined : true,
      removeAcceptEncoding: response?.removeAcceptEncodingHeader,
      codec:
        library === undefined
          ? undefined
          : within("overrides.compressor_library", () => compileCompressor(library)),
    };
  },
};

/** Without `response_direction_config` the fields that it has replaced count, and the stats stand where they stood then. */
function compileResponse(
  json: CompressorJson,
  services: Services,
  stats: StatsScope,
): ResponseSettings {
  const direction = json.responseDirectionConfig;
  const common: Compressor_CommonDirectionConfigJson | undefined =
    direction === undefined
      ? {
          ...(json.runtimeEnabled === undefined ? {} : { enabled: json.runtimeEnabled }),
          ...(json.contentLength === undefined ? {} : { minContentLength: json.contentLength }),
          ...(json.contentType === undefined ? {} : { contentType: json.contentType }),
        }
      : direction.commonConfig;
  const from = direction ?? json;
  return {
    ...compileDirection("response", common, services, {
      common: direction === undefined ? stats : stats.scope("response."),
    }),
    disableOnEtag: from.disableOnEtagHeader ?? false,
    removeAcceptEncoding: from.removeAcceptEncodingHeader ?? false,
    uncompressibleCodes: compileCodes(direction?.uncompressibleResponseCodes),
    statusHeader: direction?.statusHeaderEnabled ?? false,
    noAcceptHeader: stats.counter("no_accept_header"),
    headerOf: {
      named: stats.counter("header_compressor_used"),
      wildcard: stats.counter("header_wildcard"),
      identity: stats.counter("header_identity"),
      invalid: stats.counter("header_not_valid"),
    },
    overshadowed: stats.counter("header_compressor_overshadowed"),
    notCompressedEtag: stats.counter("not_compressed_etag"),
  };
}

function compileCodes(codes: readonly number[] = []): ReadonlySet<number> {
  const path = "response_direction_config.uncompressible_response_codes";
  for (const code of codes)
    if (code < 200 || code > 599) throw refuse(path, "must be codes from 200 to 599");
  const set = new Set(codes);
  if (set.size < codes.length) throw refuse(path, "must not say a code twice");
  return set;
}

function compileDirection(
  direction: "request" | "response",
  config: Compressor_CommonDirectionConfigJson | undefined,
  services: Services,
  { common }: { readonly common: StatsScope },
): DirectionSettings {
  const types = config?.contentType ?? [];
  // As in Envoy, 0 is the default too.
  const contentLengthMin = config?.minContentLength ?? 0;
  return {
    enabled: compileRuntimeFlag(config?.enabled, services),
    contentLengthMin: contentLengthMin > 0 ? contentLengthMin : contentLengthMinDefault,
    contentTypes: new Set(
      (types.length > 0 ? types : contentTypesDefault).map((type) => type.toLowerCase()),
    ),
    coding: {
      direction,
      bytesIn: common.counter("total_uncompressed_bytes"),
      bytesOut: common.counter("total_compressed_bytes"),
      decodes: undefined,
    },
    compressed: common.counter("compressed"),
    notCompressed: common.counter("not_compressed"),
    contentLengthTooSmall: common.counter("content_length_too_small"),
  };
}
