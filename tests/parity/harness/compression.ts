import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  crc32,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import type { Message } from "../../../testkit/http-text.ts";
import { extension, type JsonObject } from "./config.ts";
import type { CaseContext } from "./context.ts";

/** What the compressor and decompressor areas share. */

export type Encoding = "gzip" | "br" | "zstd";

const libraries = {
  gzip: { name: "gzip", message: "Gzip" },
  br: { name: "brotli", message: "Brotli" },
  zstd: { name: "zstd", message: "Zstd" },
} as const;

/** A compressor or decompressor library: the name it counts under is `text`. */
export function library(
  encoding: Encoding,
  side: "compressor" | "decompressor",
  config: JsonObject = {},
): JsonObject {
  const { name, message } = libraries[encoding];
  return extension("text", `envoy.extensions.compression.${name}.${side}.v3.${message}`, config);
}

export const compressorName = "envoy.filters.http.compressor";

export const compressor = (
  config: JsonObject = {},
  encoding: Encoding = "gzip",
  libraryConfig: JsonObject = {},
): JsonObject =>
  extension(compressorName, "envoy.extensions.filters.http.compressor.v3.Compressor", {
    compressor_library: library(encoding, "compressor", libraryConfig),
    ...config,
  });

/** A whole body, or what of it has been flushed. */
export function decode(encoding: string | undefined, bytes: Uint8Array): string {
  switch (encoding) {
    case "gzip":
      return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString("latin1");
    case "br":
      return brotliDecompressSync(bytes, {
        finishFlush: constants.BROTLI_OPERATION_FLUSH,
      }).toString("latin1");
    case "zstd":
      return zstdDecompressSync(bytes, { finishFlush: constants.ZSTD_e_flush }).toString("latin1");
    default:
      return Buffer.from(bytes).toString("latin1");
  }
}

export function encode(encoding: Encoding, text: string | Uint8Array): Buffer {
  if (encoding === "gzip") return gzipSync(text);
  return encoding === "br" ? brotliCompressSync(text) : zstdCompressSync(text);
}

/** The fields that compression is about, and the body as a client understands it. */
export function decoded(message: Message): string {
  const fields = message.fields
    .filter(([name]) => seenFields.has(name.toLowerCase()))
    .map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  const encoding = message.fields.find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
  const text = decode(encoding, Buffer.from(message.body, "latin1"));
  const body = text.length > 20 ? `${text.length} bytes, ${crc32(text).toString(16)}` : text;
  return [...fields.sort(), body].join("; ");
}

/** The counters of the filter that are not 0; how many bytes came of compressing is each library's own matter. */
export async function counted(t: CaseContext, filter: string): Promise<string> {
  await t.log();
  const { body } = await t.admin(
    `/stats?filter=${encodeURIComponent(t.fill(`^http.{case}.*${filter}`))}`,
  );
  return body
    .split("\n")
    .filter((line) => !line.endsWith(": 0") && !line.includes("total_compressed_bytes"))
    .filter((line) => line !== "")
    .map((line) => line.replace(/^.*?compressor\.text\./, ""))
    .join(", ");
}

const seenFields: ReadonlySet<string> = new Set([
  "accept-encoding",
  "cache-control",
  "content-encoding",
  "content-length",
  "etag",
  "transfer-encoding",
  "vary",
  "x-envoy-compression-status",
]);
