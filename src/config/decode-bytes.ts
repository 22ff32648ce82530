/**
 * Protobuf's bytes → the canonical ProtoJSON that decode.ts makes of text: one pass over the wire, by the descriptors.
 *
 * protobuf-es' own way (fromBinary, toJson) stops at the first `Any` whose type it does not know and cannot say where it stands; and the fields
 * that are newer than our .proto files have to be counted.
 */
import {
  type DescField,
  type DescMessage,
  fromBinary,
  type JsonObject,
  type JsonValue,
  type Registry,
  ScalarType,
  toJson,
} from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { checkMessage, type SupportedFields } from "./check.ts";
import { decodeMessage, hasOwnForm, type Origins, typedStructs, wrapped } from "./decode.ts";
import { isObject } from "./merge.ts";
import { below, type Place, Problems, rootOf } from "./place.ts";
import { isDefault, readDuration } from "./scalars.ts";
import { sourceWithoutText } from "./source-text.ts";

export interface BytesProblem {
  /** `load_assignment.endpoints[0]`; empty: the whole message. */
  readonly path: string;
  readonly message: string;
}

export interface DecodedBytes {
  /** What could be read; of no use when `invalid` has an entry. */
  readonly json: JsonObject;
  /** What makes it no such message, or breaks a rule of the .proto files. */
  readonly invalid: readonly BytesProblem[];
  /** Valid, and not among what Heddle supports. */
  readonly unsupported: readonly BytesProblem[];
  /** Fields that are newer than the .proto files: ignored, as Envoy does by default with what comes from a control plane. */
  readonly unknownFields: number;
}

export interface BytesOptions {
  readonly registry: Registry;
  /** Undefined: every field of the .proto files. */
  readonly supported: SupportedFields | undefined;
  /** A field that is newer than the .proto files is a problem. */
  readonly rejectUnknown?: boolean;
}

/** Messages inside messages; protobuf's own readers stop there too. */
const depthMax = 100;

/** A bare message of the type. */
export function decodeBytes(
  message: DescMessage,
  bytes: Uint8Array,
  { registry, supported, rejectUnknown = false }: BytesOptions,
): DecodedBytes {
  const place = rootOf(sourceWithoutText("", null));
  const problems = new Problems();
  const unsupported = new Problems();
  const origins: Origins = new Map();
  const unknown = rejectUnknown ? undefined : { fields: 0 };
  const context: Context = { registry, problems, unsupported, origins, unknown, depth: 0 };
  let json: JsonObject = {};
  try {
    json = readFields(context, message, bytes, place);
    checkMessage({ ...context, supported }, message, json, place);
  } catch (error) {
    // The reader's own errors: a length beyond the end, a varint of eleven bytes, a string that is not UTF-8.
    const reason = error instanceof Error ? error.message : String(error);
    problems.add(place, `is not a binary ${message.typeName}: ${reason}`);
  }
  return {
    json,
    invalid: problems.located.map(withoutFile),
    unsupported: unsupported.located.map(withoutFile),
    unknownFields: unknown?.fields ?? 0,
  };
}

function withoutFile({ path, message }: BytesProblem): BytesProblem {
  return { path, message };
}

interface Context {
  readonly registry: Registry;
  readonly problems: Problems;
  readonly unsupported: Problems;
  readonly origins: Origins;
  /** Undefined: each is a problem. */
  readonly unknown?: { fields: number } | undefined;
  depth: number;
}

function readFields(
  context: Context,
  message: DescMessage,
  bytes: Uint8Array,
  place: Place,
): JsonObject {
  if (context.depth >= depthMax)
    throw new Error(`more than ${depthMax} messages inside each other`);
  context.depth++;
  const object: JsonObject = {};
  const fields = fieldsOf(message);
  const reader = new BinaryReader(bytes);
  /** Bytes of singular messages: a field that comes twice is merged, which for bytes is to put one after the other. */
  let singles: Singles | undefined;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = fields.get(number);
    if (field === undefined || !fits(field, wireType)) {
      if (context.unknown === undefined)
        context.problems.add(place, `unknown field ${number} of ${message.typeName}`);
      else context.unknown.fields++;
      reader.skip(wireType, number);
      continue;
    }
    if (field.oneof !== undefined) unchoose(field, object, singles);
    if (field.fieldKind === "message") {
      singles ??= new Map();
      const earlier = singles.get(field);
      const part = reader.bytes();
      singles.set(field, earlier === undefined ? part : Buffer.concat([earlier, part]));
    } else readField(context, { field, object, wireType }, reader, place);
  }
  for (const [field, part] of singles ?? []) {
    const value = readMessage(context, field.message, part, below(place, field.name));
    if (value !== undefined) object[field.jsonName] = value;
  }
  context.depth--;
  return object;
}

type Singles = Map<DescField & { fieldKind: "message" }, Uint8Array>;

/** The last member of a oneof is the one that counts. */
function unchoose(field: DescField, object: JsonObject, singles: Singles | undefined): void {
  for (const other of field.oneof?.fields ?? []) {
    if (other === field) continue;
    delete object[other.jsonName];
    if (other.fieldKind === "message") singles?.delete(other);
  }
}

const fieldTables = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(message: DescMessage): ReadonlyMap<number, DescField> {
  let table = fieldTables.get(message);
  if (table === undefined) {
    table = new Map(message.fields.map((field) => [field.number, field]));
    fieldTables.set(message, table);
  }
  return table;
}

/** A field whose type has changed since is one that is not known. */
function fits(field: DescField, wireType: WireType): boolean {
  const expected =
    field.message !== undefined || field.fieldKind === "map"
      ? WireType.LengthDelimited
      : wireTypeOf(field.scalar);
  if (wireType === expected) return true;
  return field.fieldKind === "list" && wireType === WireType.LengthDelimited;
}

/** Undefined: an enum. */
function wireTypeOf(type: ScalarType | undefined): WireType {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}

interface Target {
  readonly field: DescField;
  readonly object: JsonObject;
  readonly wireType: WireType;
}

function readField(
  context: Context,
  { field, object, wireType }: Target,
  reader: BinaryReader,
  place: Place,
): void {
  const { jsonName } = field;
  switch (field.fieldKind) {
    case "scalar": {
      const value = readScalar(field.scalar, reader);
      if (hasPresence(field) || !isDefault(value)) object[jsonName] = value;
      else delete object[jsonName];
      return;
    }
    case "enum": {
      const value = enumName(field, reader.int32());
      if (hasPresence(field) || value.number !== 0) object[jsonName] = value.name;
      else delete object[jsonName];
      return;
    }
    case "list":
      readItems(context, { field, object, wireType }, reader, place);
      return;
    case "map":
      readEntry(context, { field, object }, reader, place);
  }
}

/** A member of a oneof is written even when it is zero; it says which member was chosen. */
function hasPresence(field: DescField): boolean {
  return field.oneof !== undefined || field.proto.proto3Optional;
}

function enumName(
  field: DescField & { fieldKind: "enum" | "list" | "map" },
  number: number,
): { readonly number: number; readonly name: string | number } {
  return { number, name: field.enum?.value[number]?.name ?? number };
}

function readScalar(type: ScalarType, reader: BinaryReader): string | number | boolean {
  switch (type) {
    case ScalarType.STRING:
      return reader.string(true);
    case ScalarType.BOOL:
      return reader.bool();
    case ScalarType.UINT32:
      return reader.uint32();
    case ScalarType.INT32:
      return reader.int32();
    case ScalarType.SINT32:
      return reader.sint32();
    case ScalarType.FIXED32:
      return reader.fixed32();
    case ScalarType.SFIXED32:
      return reader.sfixed32();
    case ScalarType.UINT64:
      return String(reader.uint64());
    case ScalarType.INT64:
      return String(reader.int64());
    case ScalarType.SINT64:
      return String(reader.sint64());
    case ScalarType.FIXED64:
      return String(reader.fixed64());
    case ScalarType.SFIXED64:
      return String(reader.sfixed64());
    case ScalarType.DOUBLE:
      return numberJson(reader.double());
    case ScalarType.FLOAT:
      return numberJson(reader.float());
    case ScalarType.BYTES:
      return Buffer.from(reader.bytes()).toString("base64");
  }
}

function numberJson(value: number): string | number {
  return Number.isFinite(value) ? value : String(value);
}

function readItems(
  context: Context,
  { field, object, wireType }: Target & { readonly field: DescField & { fieldKind: "list" } },
  reader: BinaryReader,
  place: Place,
): void {
  const known = object[field.jsonName];
  const items = Array.isArray(known) ? known : [];
  object[field.jsonName] = items;
  if (field.message !== undefined) {
    const here = below(below(place, field.name), items.length);
    const value = readMessage(context, field.message, reader.bytes(), here);
    if (value !== undefined) items.push(value);
    return;
  }
  const { scalar } = field;
  const readOne = (): JsonValue =>
    scalar === undefined ? enumName(field, reader.int32()).name : readScalar(scalar, reader);
  const packable = scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;
  if (wireType === WireType.LengthDelimited && packable) {
    const end = reader.uint32() + reader.pos;
    while (reader.pos < end) items.push(readOne());
  } else items.push(readOne());
}

function readEntry(
  context: Context,
  {
    field,
    object,
  }: { readonly field: DescField & { fieldKind: "map" }; readonly object: JsonObject },
  outer: BinaryReader,
  place: Place,
): void {
  const reader = new BinaryReader(outer.bytes());
  let key = field.mapKey === ScalarType.STRING ? "" : "0";
  let content: Uint8Array = new Uint8Array(0);
  let value: JsonValue | undefined;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === 1) key = String(readScalar(field.mapKey, reader));
    else if (number !== 2) reader.skip(wireType, number);
    else if (field.message !== undefined) content = reader.bytes();
    else if (field.scalar !== undefined) value = readScalar(field.scalar, reader);
    else value = enumName(field, reader.int32()).name;
  }
  if (field.message !== undefined) {
    value = readMessage(context, field.message, content, below(below(place, field.name), key));
  } else value ??= field.scalar === undefined ? enumName(field, 0).name : zeroOf(field.scalar);
  if (value === undefined) return;
  const known = object[field.jsonName];
  const entries = isObject(known) ? known : {};
  setOwn(entries, key, value);
  object[field.jsonName] = entries;
}

/** A key of a map is anything, `__proto__` too. */
function setOwn(object: JsonObject, key: string, value: JsonValue): void {
  if (key !== "__proto__") {
    object[key] = value;
    return;
  }
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

function zeroOf(type: ScalarType): JsonValue {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "";
    case ScalarType.BOOL:
      return false;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return "0";
    default:
      return 0;
  }
}

function readMessage(
  context: Context,
  message: DescMessage,
  bytes: Uint8Array,
  place: Place,
): JsonValue | undefined {
  if (!message.typeName.startsWith("google.protobuf.")) {
    return readFields(context, message, bytes, place);
  }
  const wrapper = wrapped(message);
  if (wrapper !== undefined) {
    const reader = new BinaryReader(bytes);
    let value: JsonValue = zeroOf(wrapper);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === 1) value = readScalar(wrapper, reader);
      else reader.skip(wireType, number);
    }
    return value;
  }
  switch (message.typeName) {
    case "google.protobuf.Any":
      return readAny(context, bytes, place);
    case "google.protobuf.Duration":
      return readDurationBytes(context, bytes, place);
    case "google.protobuf.Empty":
      return {};
    default:
      return readOwnForm(context, message, bytes, place);
  }
}

function readDurationBytes(
  context: Context,
  bytes: Uint8Array,
  place: Place,
): JsonValue | undefined {
  const reader = new BinaryReader(bytes);
  let seconds = 0n;
  let nanos = 0;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === 1) seconds = BigInt(reader.int64());
    else if (number === 2) nanos = reader.int32();
    else reader.skip(wireType, number);
  }
  const negative = seconds < 0n || nanos < 0;
  const whole = seconds < 0n ? -seconds : seconds;
  const fraction = String(Math.abs(nanos)).padStart(9, "0");
  const read = readDuration(`${negative ? "-" : ""}${whole}.${fraction}s`);
  if ("value" in read) return read.value;
  context.problems.add(place, read.problem);
  return undefined;
}

/** Struct, Value, ListValue, Timestamp, FieldMask and the like: rare, and protobuf-es knows their JSON. */
function readOwnForm(
  context: Context,
  message: DescMessage,
  bytes: Uint8Array,
  place: Place,
): JsonValue | undefined {
  try {
    return toJson(message, fromBinary(message, bytes));
  } catch (error) {
    context.problems.add(place, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function readAny(context: Context, bytes: Uint8Array, place: Place): JsonObject | undefined {
  const { url, content } = splitAny(bytes);
  if (url === "") {
    // Envoy takes an Any without anything in it for none at all.
    if (content.length > 0) context.problems.add(place, '"@type" is missing');
    return undefined;
  }
  const message = context.registry.getMessage(url.slice(url.lastIndexOf("/") + 1));
  if (message === undefined) {
    context.unsupported.add(place, `unknown type "${url}"`);
    return undefined;
  }
  if (typedStructs.has(message.typeName)) return readTypedStruct(context, message, content, place);
  const any: JsonObject = { "@type": url };
  if (hasOwnForm(message)) {
    const value = readMessage(context, message, content, below(place, "value"));
    if (value !== undefined) any["value"] = value;
    return any;
  }
  return Object.assign(any, readFields(context, message, content, place));
}

/** What stands in an `Any`. */
export function splitAny(bytes: Uint8Array): {
  readonly url: string;
  readonly content: Uint8Array;
} {
  const reader = new BinaryReader(bytes);
  let url = "";
  let content: Uint8Array = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === 1) url = reader.string();
    else if (number === 2) content = reader.bytes();
    else reader.skip(wireType, number);
  }
  return { url, content };
}

/** It carries free JSON: the reader of texts knows what to make of it. */
function readTypedStruct(
  context: Context,
  message: DescMessage,
  bytes: Uint8Array,
  place: Place,
): JsonObject | undefined {
  const any = { "@type": `type.googleapis.com/${message.typeName}` };
  const struct = Object.assign(any, readFields(context, message, bytes, place));
  const anyMessage = context.registry.getMessage("google.protobuf.Any");
  const decoded = anyMessage && decodeMessage(context, anyMessage, struct, place);
  return isObject(decoded) ? decoded : undefined;
}
