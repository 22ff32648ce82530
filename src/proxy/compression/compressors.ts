import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { BrotliJson } from "#gen/envoy/extensions/compression/brotli/compressor/v3/brotli_pb.js";
import type { GzipJson } from "#gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.js";
import type { ZstdJson } from "#gen/envoy/extensions/compression/zstd/compressor/v3/zstd_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Codec } from "./codec.ts";
import { libraryType } from "./library-type.ts";
import { zlib } from "./zlib.ts";

/** `compressor_library`. */
export function compileCompressor({ typedConfig }: TypedExtensionConfigJson): Codec {
  // Proof of the casts: "@type" says which message it is, and the configuration was checked against it.
  switch (libraryType(typedConfig)) {
    case "envoy.extensions.compression.gzip.compressor.v3.Gzip":
      return gzip(typedConfig as GzipJson);
    case "envoy.extensions.compression.brotli.compressor.v3.Brotli":
      return brotli(typedConfig as BrotliJson);
    case "envoy.extensions.compression.zstd.compressor.v3.Zstd":
      return zstd(typedConfig as ZstdJson);
    default:
      throw refuse("typed_config", "is not a compressor that Heddle has");
  }
}

function gzipStrategies(): Readonly<Record<string, number>> {
  const { constants } = zlib();
  return {
    DEFAULT_STRATEGY: constants.Z_DEFAULT_STRATEGY,
    FILTERED: constants.Z_FILTERED,
    HUFFMAN_ONLY: constants.Z_HUFFMAN_ONLY,
    RLE: constants.Z_RLE,
    FIXED: constants.Z_FIXED,
  };
}

function gzipLevels(): Readonly<Record<string, number>> {
  const { constants } = zlib();
  return {
    DEFAULT_COMPRESSION: constants.Z_DEFAULT_COMPRESSION,
    BEST_SPEED: 1,
    BEST_COMPRESSION: 9,
  };
}

function gzip(config: GzipJson): Codec {
  const { constants, createGzip, gzipSync } = zlib();
  const { compressionLevel = "DEFAULT_COMPRESSION", compressionStrategy = "DEFAULT_STRATEGY" } =
    config;
  const options = {
    level: gzipLevels()[compressionLevel] ?? Number(compressionLevel.slice(-1)),
    strategy: gzipStrategies()[compressionStrategy] ?? constants.Z_DEFAULT_STRATEGY,
    memLevel: config.memoryLevel ?? 5,
    windowBits: config.windowBits ?? 12,
    ...chunkSize(config.chunkSize),
  };
  const inPieces = { ...options, flush: constants.Z_SYNC_FLUSH };
  return {
    encoding: "gzip",
    statName: "gzip",
    once: (bytes) => gzipSync(bytes, options),
    open: () => createGzip(inPieces),
  };
}

function brotliModes(): Readonly<Record<string, number>> {
  const { constants } = zlib();
  return {
    TEXT: constants.BROTLI_MODE_TEXT,
    FONT: constants.BROTLI_MODE_FONT,
  };
}

function brotli(config: BrotliJson): Codec {
  const { brotliCompressSync, constants, createBrotliCompress } = zlib();
  const options = {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: config.quality ?? 3,
      [constants.BROTLI_PARAM_MODE]:
        brotliModes()[config.encoderMode ?? "DEFAULT"] ?? constants.BROTLI_MODE_GENERIC,
      [constants.BROTLI_PARAM_LGWIN]: config.windowBits ?? 18,
      [constants.BROTLI_PARAM_LGBLOCK]: config.inputBlockBits ?? 24,
      [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]:
        config.disableLiteralContextModeling === true,
    },
    ...chunkSize(config.chunkSize),
  };
  const inPieces = { ...options, flush: constants.BROTLI_OPERATION_FLUSH };
  return {
    encoding: "br",
    statName: "brotli",
    once: (bytes) => brotliCompressSync(bytes, options),
    open: () => createBrotliCompress(inPieces),
  };
}

function zstdStrategies(): Readonly<Record<string, number>> {
  const { constants } = zlib();
  return {
    FAST: constants.ZSTD_fast,
    DFAST: constants.ZSTD_dfast,
    GREEDY: constants.ZSTD_greedy,
    LAZY: constants.ZSTD_lazy,
    LAZY2: constants.ZSTD_lazy2,
    BTLAZY2: constants.ZSTD_btlazy2,
    BTOPT: constants.ZSTD_btopt,
    BTULTRA: constants.ZSTD_btultra,
    BTULTRA2: constants.ZSTD_btultra2,
  };
}

function zstd(config: ZstdJson): Codec {
  const { constants, createZstdCompress, zstdCompressSync } = zlib();
  const options = {
    params: {
      [constants.ZSTD_c_compressionLevel]: config.compressionLevel ?? 0,
      [constants.ZSTD_c_checksumFlag]: config.enableChecksum === true,
      [constants.ZSTD_c_strategy]: zstdStrategies()[config.strategy ?? "DEFAULT"] ?? 0,
    },
    ...chunkSize(config.chunkSize),
  };
  const inPieces = { ...options, flush: constants.ZSTD_e_flush };
  return {
    encoding: "zstd",
    statName: "zstd",
    once: (bytes) => zstdCompressSync(bytes, options),
    open: () => createZstdCompress(inPieces),
  };
}

/** Absent: as large as node:zlib finds good. */
function chunkSize(configured: number | undefined): { readonly chunkSize?: number } {
  return configured === undefined ? {} : { chunkSize: configured };
}
