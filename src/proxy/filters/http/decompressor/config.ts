import type {
  Decompressor_CommonDirectionConfigJson,
  DecompressorJson,
} from "#gen/envoy/extensions/filters/http/decompressor/v3/decompressor_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import type { Decoding } from "../../../compression/body-coder.ts";
import { compileDecompressor } from "../../../compression/decompressors.ts";
import { compileRuntimeFlag } from "../../../runtime-flag.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilterFactory } from "../filter.ts";
import { Decompressor, type DecompressorSettings, type DirectionSettings } from "./decompressor.ts";

export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.decompressor",
  configType: "envoy.extensions.filters.http.decompressor.v3.Decompressor",
  compile(config, { services, scope }) {
    // The loader checked it against the descriptor of this very type.
    const { decompressorLibrary, requestDirectionConfig, responseDirectionConfig } =
      config as DecompressorJson;
    if (decompressorLibrary === undefined) throw refuse("decompressor_library", "is required");
    const decoder = within("decompressor_library", () => compileDecompressor(decompressorLibrary));
    const { name = "" } = decompressorLibrary;
    const stats = scope.scope(`decompressor.${name}.${decoder.statName}.`);
    const library = stats.scope("decompressor_library.");
    const trailer = `x-envoy-decompressor-${name}`.toLowerCase();
    const decodes: Decoding = {
      ratioMax: decoder.ratioMax,
      freeBytes: decoder.freeBytes,
      trailerIn: `${trailer}-compressed-bytes`,
      trailerOut: `${trailer}-uncompressed-bytes`,
      countError: (error) => {
        for (const counter of decoder.countersOf(error)) library.counter(counter).inc();
      },
    };
    const direction = (
      which: "request" | "response",
      common: Decompressor_CommonDirectionConfigJson | undefined,
    ): DirectionSettings => ({
      enabled: compileRuntimeFlag(common?.enabled, services),
      ignoresNoTransform: common?.ignoreNoTransformHeader ?? false,
      ...directionStats(which, stats.scope(`${which}.`), decodes),
    });
    const settings: DecompressorSettings = {
      decoder,
      advertises: requestDirectionConfig?.advertiseAcceptEncoding ?? true,
      request: direction("request", requestDirectionConfig?.commonConfig),
      response: direction("response", responseDirectionConfig?.commonConfig),
    };
    return () => new Decompressor(settings);
  },
};

function directionStats(
  direction: "request" | "response",
  stats: StatsScope,
  decodes: Decoding,
): Pick<DirectionSettings, "coding" | "decompressed" | "notDecompressed"> {
  return {
    coding: {
      direction,
      bytesIn: stats.counter("total_compressed_bytes"),
      bytesOut: stats.counter("total_uncompressed_bytes"),
      decodes,
    },
    decompressed: stats.counter("decompressed"),
    notDecompressed: stats.counter("not_decompressed"),
  };
}
