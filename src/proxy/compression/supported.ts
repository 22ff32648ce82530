export const supported = {
  "envoy.extensions.compression.gzip.compressor.v3.Gzip": [
    "memory_level",
    "compression_level",
    "compression_strategy",
    "window_bits",
    "chunk_size",
  ],
  "envoy.extensions.compression.gzip.decompressor.v3.Gzip": [
    "window_bits",
    "chunk_size",
    "max_inflate_ratio",
  ],
  "envoy.extensions.compression.brotli.compressor.v3.Brotli": [
    "quality",
    "encoder_mode",
    "window_bits",
    "input_block_bits",
    "chunk_size",
    "disable_literal_context_modeling",
  ],
  "envoy.extensions.compression.brotli.decompressor.v3.Brotli": [
    "disable_ring_buffer_reallocation",
    "chunk_size",
  ],
  "envoy.extensions.compression.zstd.compressor.v3.Zstd": [
    "compression_level",
    "enable_checksum",
    "strategy",
    "chunk_size",
  ],
  "envoy.extensions.compression.zstd.decompressor.v3.Zstd": ["chunk_size"],
} as const;
