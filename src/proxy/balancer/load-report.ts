import type { HeaderList } from "#http/headers.ts";

/** What an upstream says of its load (ORCA), by full names: "cpu_utilization", "eps", "named_metrics.queue". */
export type LoadReport = Map<string, number>;

/** Fills `report` from a response's fields or trailers. Returns whether there was one that can be read. */
export function readLoadReport(fields: HeaderList, report: LoadReport): boolean {
  report.clear();
  const binary = fields.get("endpoint-load-metrics-bin");
  if (binary !== undefined) return fromBase64(binary, report);
  const value = fields.get("endpoint-load-metrics");
  if (value === undefined) return false;
  if (value.startsWith("TEXT ")) return fromText(value.slice(5), report);
  if (value.startsWith("JSON ")) return fromJson(value.slice(5), report);
  return value.startsWith("BIN ") && fromBase64(value.slice(4), report);
}

const textName =
  /^(?:application_utilization|cpu_utilization|mem_utilization|eps|rps_fractional|(?:named_metrics|utilization)\..+)$/;
const textEntry = /^([^:=]+)[:=](.+)$/;

function fromText(text: string, report: LoadReport): boolean {
  for (const part of text.split(",")) {
    const entry = part.trim();
    if (entry === "") continue;
    const [, name = "", value = ""] = textEntry.exec(entry) ?? [];
    const number = numberOf(value);
    // One wrong word spoils the whole report.
    if (number === undefined || number < 0 || report.has(name) || !textName.test(name))
      return false;
    report.set(name, number);
  }
  return true;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

function numberOf(value: unknown): number | undefined {
  if (typeof value === "string" ? !decimal.test(value.trim()) : typeof value !== "number")
    return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

const scalars: ReadonlySet<string> = new Set([
  "application_utilization",
  "cpu_utilization",
  "mem_utilization",
  "eps",
  "rps_fractional",
]);
const maps: ReadonlySet<string> = new Set(["named_metrics", "request_cost", "utilization"]);

function fromJson(text: string, report: LoadReport): boolean {
  const json = parsed(text);
  if (json === undefined) return false;
  for (const [key, value] of Object.entries(json)) {
    // ProtoJSON: a field has two names, and null is its default.
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (maps.has(name)) {
      if (value !== null && !setAll(name, value, report)) return false;
    } else if (scalars.has(name)) {
      if (value !== null && !set(name, value, report)) return false;
    } else if (name !== "rps") return false;
  }
  return true;
}

function parsed(text: string): object | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : undefined;
  } catch {
    // A stranger's text: what it is not is no error of ours.
    return undefined;
  }
}

function setAll(map: string, values: unknown, report: LoadReport): boolean {
  if (!isObject(values)) return false;
  return Object.entries(values).every(([key, value]) => set(`${map}.${key}`, value, report));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function set(name: string, value: unknown, report: LoadReport): boolean {
  const number = numberOf(value);
  if (number === undefined) return false;
  report.set(name, number);
  return true;
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Padding may be missing: gRPC leaves it out. */
function fromBase64(text: string, report: LoadReport): boolean {
  return base64.test(text) && fromBinary(Buffer.from(text, "base64"), report);
}

/** By tag: the number of the field in `xds.data.orca.v3.OrcaLoadReport` times eight, and its wire type. */
const doubleTags: ReadonlyMap<number, string> = new Map([
  [0x09, "cpu_utilization"],
  [0x11, "mem_utilization"],
  [0x31, "rps_fractional"],
  [0x39, "eps"],
  [0x49, "application_utilization"],
]);
const mapTags: ReadonlyMap<number, string> = new Map([
  [0x22, "request_cost"],
  [0x2a, "utilization"],
  [0x42, "named_metrics"],
]);

/** By hand: these few fields are not worth the protobuf library in every worker. */
function fromBinary(bytes: Buffer, report: LoadReport): boolean {
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = varint(reader);
    const value = octetsOf(reader, tag);
    if (tag === undefined || value === undefined) return false;
    const name = doubleTags.get(tag);
    if (name !== undefined) report.set(name, value.readDoubleLE());
    const map = mapTags.get(tag);
    if (map !== undefined && !fromEntry(map, value, report)) return false;
  }
  return true;
}

function fromEntry(map: string, bytes: Buffer, report: LoadReport): boolean {
  const reader = { bytes, at: 0 };
  let key = "";
  let number = 0;
  while (reader.at < bytes.length) {
    const tag = varint(reader);
    const value = octetsOf(reader, tag);
    if (value === undefined) return false;
    if (tag === 0x0a) key = value.toString("utf8");
    else if (tag === 0x11) number = value.readDoubleLE();
  }
  report.set(`${map}.${key}`, number);
  return true;
}

interface Reader {
  readonly bytes: Buffer;
  at: number;
}

const fixedLengths: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The octets of a field's value, without their length; undefined: they are cut short or of no known type. */
function octetsOf(reader: Reader, tag: number | undefined): Buffer | undefined {
  if (tag === undefined || tag < 8) return undefined;
  const type = tag % 8;
  const start = reader.at;
  if (type === 0)
    return varint(reader) === undefined ? undefined : reader.bytes.subarray(start, reader.at);
  const length = type === 2 ? varint(reader) : fixedLengths[type];
  if (length === undefined || reader.at + length > reader.bytes.length) return undefined;
  reader.at += length;
  return reader.bytes.subarray(reader.at - length, reader.at);
}

function varint(reader: Reader): number | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
  return undefined;
}
