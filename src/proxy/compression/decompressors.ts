import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { BrotliJson } from "#gen/envoy/extensions/compression/brotli/decompressor/v3/brotli_pb.js";
import type { GzipJson } from "#gen/envoy/extensions/compression/gzip/decompressor/v3/gzip_pb.js";
import type { ZstdJson } from "#gen/envoy/extensions/compression/zstd/decompressor/v3/zstd_pb.js";
import { refuse } from "#lib/config-error.ts";
import { type CodecError, type Decoder, tooLarge } from "./codec.ts";
import { libraryType } from "./library-type.ts";
import { zlib } from "./zlib.ts";

/** Envoy's limit of what may come of a body, and its only one for brotli and zstd. */
const ratioMaxDefault = 100;
const chunkSizeDefault = 4096;

/** `decompressor_library`. */
export function compileDecompressor({ typedConfig }: TypedExtensionConfigJson): Decoder {
  // Proof of the casts: "@type" says which message it is, and the configuration was checked against it.
  switch (libraryType(typedConfig)) {
    case "envoy.extensions.compression.gzip.decompressor.v3.Gzip":
      return gzip(typedConfig as GzipJson);
    case "envoy.extensions.compression.brotli.decompressor.v3.Brotli":
      return brotli(typedConfig as BrotliJson);
    case "envoy.extensions.compression.zstd.decompressor.v3.Zstd":
      return zstd(typedConfig as ZstdJson);
    default:
      throw refuse("typed_config", "is not a decompressor that Heddle has");
  }
}

// `finishFlush`: as in Envoy, a body that ends too soon is worth what has been understood of it.

function gzip(config: GzipJson): Decoder {
  const { constants, createGunzip, gunzipSync } = zlib();
  const chunkSize = config.chunkSize ?? chunkSizeDefault;
  const options = {
    windowBits: config.windowBits ?? 15,
    chunkSize,
    finishFlush: constants.Z_SYNC_FLUSH,
  };
  return {
    encoding: "gzip",
    statName: "gzip",
    ratioMax: config.maxInflateRatio ?? ratioMaxDefault,
    freeBytes: chunkSize,
    once: (bytes, bytesMax) => gunzipSync(bytes, { ...options, maxOutputLength: bytesMax }),
    open: () => createGunzip(options),
    countersOf: ({ code }) => [gzipCounters[code ?? ""] ?? "zlib_data_error"],
  };
}

const gzipCounters: Readonly<Record<string, string>> = {
  Z_ERRNO: "zlib_errno",
  Z_STREAM_ERROR: "zlib_stream_error",
  Z_MEM_ERROR: "zlib_mem_error",
  Z_BUF_ERROR: "zlib_buf_error",
  Z_VERSION_ERROR: "zlib_version_error",
};

function brotli(config: BrotliJson): Decoder {
  const { brotliDecompressSync, constants, createBrotliDecompress } = zlib();
  const chunkSize = config.chunkSize ?? chunkSizeDefault;
  const options = {
    params: {
      [constants.BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION]:
        config.disableRingBufferReallocation === true,
    },
    chunkSize,
    finishFlush: constants.BROTLI_OPERATION_FLUSH,
  };
  return {
    encoding: "br",
    statName: "brotli",
    ratioMax: ratioMaxDefault,
    freeBytes: chunkSize,
    once: (bytes, bytesMax) =>
      brotliDecompressSync(bytes, { ...options, maxOutputLength: bytesMax }),
    open: () => createBrotliDecompress(options),
    countersOf: ({ code }) =>
      code === tooLarge ? ["brotli_error", "brotli_output_overflow"] : ["brotli_error"],
  };
}

function zstd(config: ZstdJson): Decoder {
  const { constants, createZstdDecompress, zstdDecompressSync } = zlib();
  const chunkSize = config.chunkSize ?? chunkSizeDefault;
  const options = { chunkSize, finishFlush: constants.ZSTD_e_flush };
  return {
    encoding: "zstd",
    statName: "zstd",
    ratioMax: ratioMaxDefault,
    freeBytes: chunkSize,
    once: (bytes, bytesMax) => zstdDecompressSync(bytes, { ...options, maxOutputLength: bytesMax }),
    open: () => createZstdDecompress(options),
    countersOf: (error) => [zstdCounter(error)],
  };
}

function zstdCounter({ code }: CodecError): string {
  switch (code) {
    case "ZSTD_error_memory_allocation":
      return "zstd_memory_error";
    case "ZSTD_error_dictionary_corrupted":
    case "ZSTD_error_dictionary_wrong":
      return "zstd_dictionary_error";
    case "ZSTD_error_checksum_wrong":
      return "zstd_checksum_wrong_error";
    default:
      return "zstd_generic_error";
  }
}
