/** ProtoJSON's scalars, as Envoy reads them: what is accepted, and the one spelling each is given. */
import { type JsonValue, ScalarType } from "@bufbuild/protobuf";

export type Scalar = string | number | boolean;
/** The value, or what is wrong with it. */
export type Read = { readonly value: Scalar } | { readonly problem: string };

export function readScalar(type: ScalarType, value: JsonValue): Read {
  switch (type) {
    case ScalarType.BOOL:
      return readBoolean(value);
    case ScalarType.STRING:
      return typeof value === "string" ? { value } : wrong("a string", value, quoteHint(value));
    case ScalarType.BYTES:
      return readBytes(value);
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return readFloat(value);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return readInteger(value, { least: -(2n ** 31n), most: 2n ** 31n - 1n, long: false });
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return readInteger(value, { least: 0n, most: 2n ** 32n - 1n, long: false });
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return readInteger(value, { least: -(2n ** 63n), most: 2n ** 63n - 1n, long: true });
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return readInteger(value, { least: 0n, most: 2n ** 64n - 1n, long: true });
  }
}

export function isDefault(value: JsonValue): boolean {
  return value === false || value === 0 || value === "" || value === "0";
}

function quoteHint(value: JsonValue): string {
  return typeof value === "number" || typeof value === "boolean" ? " (quote it)" : "";
}

function readBoolean(value: JsonValue): Read {
  if (typeof value === "boolean") return { value };
  if (value === "true" || value === "false") return { value: value === "true" };
  return wrong("true or false", value);
}

function readFloat(value: JsonValue): Read {
  if (typeof value === "number") return { value };
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return { value };
  if (typeof value === "string" && value.trim() === value && value !== "") {
    const number = Number(value);
    if (!Number.isNaN(number)) return { value: number };
  }
  return wrong("a number", value);
}

interface Range {
  readonly least: bigint;
  readonly most: bigint;
  /** 64 bits, which ProtoJSON writes as strings. */
  readonly long: boolean;
}

function readInteger(value: JsonValue, { least, most, long }: Range): Read {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return wrong("an integer", value);
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return { problem: `${text} is too large to be read exactly: quote it` };
  }
  const integer = parseInteger(text);
  if (integer === undefined) return wrong("an integer", value);
  if (integer < least || integer > most) {
    return { problem: `${text} is not between ${least} and ${most}` };
  }
  return { value: long ? String(integer) : Number(integer) };
}

/** ProtoJSON takes `1e3` and `10.0`: what has no fraction is an integer. */
function parseInteger(text: string): bigint | undefined {
  if (/^-?\d+$/.test(text)) return BigInt(text);
  if (!/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? BigInt(number) : undefined;
}

function readBytes(value: JsonValue): Read {
  if (typeof value !== "string") return wrong("base64", value);
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) return { problem: "is not base64" };
  return { value: Buffer.from(value, "base64").toString("base64") };
}

/** Protobuf's own limit: about 10,000 years. */
const durationSecondsMax = 315_576_000_000;

export function readDuration(value: JsonValue): Read {
  const match = typeof value === "string" ? /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(value) : null;
  if (match === null) {
    return wrong('a duration in seconds such as "1.5s"', value);
  }
  const [, sign = "", digits = "0", fraction = ""] = match;
  const seconds = BigInt(digits);
  if (seconds > durationSecondsMax) return { problem: `${String(value)} is too long` };
  const nanos = fraction.padEnd(9, "0").replace(/(?:000)+$/, "");
  const text = `${seconds}${nanos === "" ? "" : `.${nanos}`}s`;
  // Protobuf has negative durations; nothing in Envoy takes one.
  if (sign !== "" && text !== "0s") return { problem: "must not be negative" };
  return { value: text };
}

const goUnits: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

/** Go's spelling, which Istio's files are written in ("1h30m", "250ms"), to ProtoJSON's. */
export function readGoDuration(value: JsonValue): Read {
  const expected = 'a duration such as "1.5s", "250ms" or "1h"';
  if (typeof value !== "string") return wrong(expected, value);
  if (value === "0") return { value: "0s" };
  if (!/^-?(?:\d{1,15}(?:\.\d{1,9})?(?:ns|us|µs|μs|ms|s|m|h))+$/.test(value)) {
    return wrong(expected, value, value.endsWith("d") ? " (days are written in hours)" : "");
  }
  let nanos = 0n;
  for (const [, digits = "", fraction = "", unit = ""] of value.matchAll(
    /(\d+)(?:\.(\d+))?([a-zµμ]+)/g,
  )) {
    const scale = goUnits.get(unit) ?? 0n;
    nanos += BigInt(digits) * scale + (BigInt(fraction.padEnd(9, "0")) * scale) / 1_000_000_000n;
  }
  const sign = value.startsWith("-") ? "-" : "";
  return readDuration(
    `${sign}${nanos / 1_000_000_000n}.${String(nanos % 1_000_000_000n).padStart(9, "0")}s`,
  );
}

export function readTimestamp(value: JsonValue): Read {
  const valid =
    typeof value === "string" &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value));
  return valid ? { value } : wrong('a time such as "2026-01-31T12:00:00Z"', value);
}

export function wrong(expected: string, value: JsonValue, more = ""): { problem: string } {
  return { problem: `must be ${expected}, not ${describe(value)}${more}` };
}

function describe(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text;
}
