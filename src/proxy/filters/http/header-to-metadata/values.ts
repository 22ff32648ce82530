import { isUtf8 } from "node:buffer";
import { createRequire } from "node:module";
import type { Json } from "../../../stream-info.ts";

/** Octets that are no UTF-8 stand for themselves, as in Envoy's JSON. */
export function textOf(bytes: string): string {
  const octets = Buffer.from(bytes, "latin1");
  return isUtf8(octets) ? octets.toString("utf8") : bytes;
}

const base64 = /^[A-Za-z0-9+/]+$/;

/** Padding may be missing; bits behind the last octet are zero (RFC 4648 §3.5). Undefined: this is no base64. */
export function decodeBase64(text: string): string | undefined {
  const digits = text.replace(/={1,2}$/, "");
  if (!base64.test(digits) || digits.length % 4 === 1) return undefined;
  const bytes = Buffer.from(digits, "base64");
  // What Node's decoder is lenient about shows when its result is spelled again.
  return bytes.toString("base64").replace(/=+$/, "") === digits
    ? bytes.toString("latin1")
    : undefined;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const hexadecimal = /^([+-]?)0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p([+-]?\d+))?$/i;

/** As C reads a number, white space around it aside. What has no place in JSON is left out. */
export function numberOf(text: string): number | undefined {
  const trimmed = text.trim();
  const value = decimal.test(trimmed) ? Number(trimmed) : hexadecimalOf(trimmed);
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

function hexadecimalOf(text: string): number | undefined {
  const [, sign, digits, exponent = "0"] = hexadecimal.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const [whole = "", fraction = ""] = digits.split(".");
  const mantissa = Number(`0x${whole}${fraction}`) * 16 ** -fraction.length;
  return (sign === "-" ? -mantissa : mantissa) * 2 ** Number(exponent);
}

interface Protobuf {
  readonly fromBinary: typeof import("@bufbuild/protobuf").fromBinary;
  readonly toJson: typeof import("@bufbuild/protobuf").toJson;
  readonly ValueSchema: typeof import("@bufbuild/protobuf/wkt").ValueSchema;
}

let loaded: Protobuf | undefined;

/** Loaded with the first value: a worker has no other use for the library, which would be megabytes of every sidecar. */
function protobuf(): Protobuf {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    // Proof: what the packages export under these names.
    const { fromBinary, toJson } =
      require("@bufbuild/protobuf") as typeof import("@bufbuild/protobuf");
    const { ValueSchema } =
      require("@bufbuild/protobuf/wkt") as typeof import("@bufbuild/protobuf/wkt");
    loaded = { fromBinary, toJson, ValueSchema };
  }
  return loaded;
}

/** The octets of a `google.protobuf.Value`. */
export function protobufValue(text: string): Json | undefined {
  const { fromBinary, toJson, ValueSchema } = protobuf();
  try {
    return toJson(ValueSchema, fromBinary(ValueSchema, Buffer.from(text, "latin1")));
  } catch {
    // A stranger's octets: what they are not is no error of ours.
    return undefined;
  }
}
