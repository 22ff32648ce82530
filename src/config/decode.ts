/**
 * Configuration as it was written → canonical ProtoJSON, by the protobuf descriptors.
 *
 * Only shape is looked at here: names, types, enums, `Any`. What a value may be is in rules.ts, because an overlay
 * is merged in between. protobuf-es' own fromJson stops at the first mistake and does not know where it stands.
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import { hint } from "./nearest.ts";
import { below, type Place, type Problems } from "./place.ts";
import {
  isDefault,
  type Read,
  readDuration,
  readGoDuration,
  readScalar,
  readTimestamp,
  wrong,
} from "./scalars.ts";

/** Where each object of the result was written; several places when an overlay was merged into it. */
export type Origins = Map<object, readonly Place[]>;

export interface DecodeContext {
  readonly registry: Registry;
  readonly problems: Problems;
  readonly origins: Origins;
  /**
   * Who is lenient about what. Envoy takes one value for a list of one and enums in any case; Istio does not, and writes durations as Go
   * does ("1h"); what a user of Istio writes is kept even when it is the default, because it is shown to him again. Without a value: Envoy.
   */
  readonly dialect?: "envoy" | "istio";
  /** Fields that no message has are counted here instead of being a problem. */
  readonly unknown?: { fields: number } | undefined;
}

export const typedStructs: ReadonlySet<string> = new Set([
  "xds.type.v3.TypedStruct",
  "udpa.type.v1.TypedStruct",
]);

/** Messages that ProtoJSON writes in a form of their own: inside an Any they stand under `value`. */
export function hasOwnForm(message: DescMessage): boolean {
  return (
    message.typeName.startsWith("google.protobuf.") && message.typeName !== "google.protobuf.Empty"
  );
}

/** A wrapper (`google.protobuf.UInt32Value`) is written as the value in it. */
export function wrapped(message: DescMessage): ScalarType | undefined {
  if (!/^google\.protobuf\.\w+Value$/.test(message.typeName)) return undefined;
  return message.fields[0]?.scalar;
}

/** The canonical form; undefined when nothing of the value could be read (the problems say why). */
export function decodeMessage(
  context: DecodeContext,
  message: DescMessage,
  value: JsonValue,
  place: Place,
): JsonValue | undefined {
  if (message.typeName.startsWith("google.protobuf.")) {
    return decodeWellKnown(context, message, value, place);
  }
  const object = asObject(context, value, place);
  return object && decodeFields(context, message, object, place);
}

function decodeFields(
  context: DecodeContext,
  message: DescMessage,
  object: JsonObject,
  place: Place,
): JsonObject {
  const decoded: JsonObject = {};
  context.origins.set(decoded, [place]);
  /** The first member that was written of each oneof, and the first spelling of each field. */
  const members = new Map<string, string>();
  for (const [key, value] of Object.entries(object)) {
    const here = below(place, key);
    const field = fieldOf(message, key);
    if (field === undefined && context.unknown !== undefined) {
      context.unknown.fields++;
      continue;
    }
    if (field === undefined) {
      const istio = context.dialect === "istio";
      const names = message.fields.map(({ name, jsonName }) => (istio ? jsonName : name));
      const problem = `unknown field of ${message.typeName}${hint(key, names)}`;
      context.problems.add(here, problem, "key");
      continue;
    }
    if (value === null && field.message?.typeName !== "google.protobuf.Value") continue;
    const group = field.oneof?.name ?? `field ${field.name}`;
    const earlier = members.get(group);
    if (earlier !== undefined) {
      const what = field.oneof === undefined ? "the same field" : `both are ${field.oneof.name}`;
      context.problems.add(here, `cannot be given together with ${earlier}: ${what}`, "key");
      continue;
    }
    members.set(group, key);
    const result = decodeField(context, field, value, here);
    if (result !== undefined) decoded[field.jsonName] = result;
  }
  return decoded;
}

const fieldTables = new WeakMap<DescMessage, Map<string, DescField>>();

/** The field of a name, in the .proto's spelling or JSON's. */
function fieldOf(message: DescMessage, key: string): DescField | undefined {
  let table = fieldTables.get(message);
  if (table === undefined) {
    table = new Map();
    for (const field of message.fields) {
      table.set(field.jsonName, field);
      table.set(field.name, field);
    }
    fieldTables.set(message, table);
  }
  return table.get(key);
}

function decodeField(
  context: DecodeContext,
  field: DescField,
  value: JsonValue,
  place: Place,
): JsonValue | undefined {
  switch (field.fieldKind) {
    case "message":
      return decodeMessage(context, field.message, value, place);
    case "list":
      return decodeList(context, field, value, place);
    case "map":
      return decodeMap(context, field, value, place);
    case "scalar":
    case "enum": {
      const result = decodeLeaf(context, field, value, place);
      // A member of a oneof is written even when it is zero; it says which member was chosen.
      const implicit =
        context.dialect !== "istio" && field.oneof === undefined && !field.proto.proto3Optional;
      return implicit && result !== undefined && isZero(field, result) ? undefined : result;
    }
  }
}

function isZero(field: DescField & { fieldKind: "scalar" | "enum" }, value: JsonValue): boolean {
  if (field.fieldKind === "scalar") return isDefault(value);
  return value === field.enum.values.find(({ number }) => number === 0)?.name;
}

function decodeLeaf(
  context: DecodeContext,
  type: { scalar?: ScalarType | undefined; enum?: DescEnum | undefined },
  value: JsonValue,
  place: Place,
): JsonValue | undefined {
  if (type.enum !== undefined) {
    const exact = context.dialect === "istio";
    return taken(context, (exact ? readExactEnum : readEnum)(type.enum, value), place);
  }
  const scalar = type.scalar ?? ScalarType.STRING;
  const word = context.dialect === "istio" && scalar === ScalarType.BOOL;
  return taken(context, readScalar(scalar, word ? booleanOf(value) : value), place);
}

/** YAML 1.1's words, which Kubernetes reads as booleans. */
function booleanOf(value: JsonValue): JsonValue {
  if (typeof value !== "string") return value;
  if (/^(?:yes|on|y)$/i.test(value)) return true;
  return /^(?:no|off|n)$/i.test(value) ? false : value;
}

function decodeList(
  context: DecodeContext,
  field: DescField & { fieldKind: "list" },
  value: JsonValue,
  place: Place,
): JsonValue | undefined {
  const strict = context.dialect === "istio";
  if (strict && !Array.isArray(value)) {
    return taken(context, wrong("a list", value), place);
  }
  // Like Envoy, one value is taken for a list of one.
  const items = Array.isArray(value) ? value : [value];
  const decoded: JsonValue[] = [];
  context.origins.set(decoded, [place]);
  for (const [index, item] of items.entries()) {
    const here = below(place, index);
    const result = field.message
      ? decodeMessage(context, field.message, item ?? {}, here)
      : decodeLeaf(context, field, item, here);
    if (result !== undefined) decoded.push(result);
    // What follows keeps its place, so that later problems name the right one.
    else if (strict) decoded.push(field.message ? {} : "");
  }
  return decoded.length > 0 ? decoded : undefined;
}

function decodeMap(
  context: DecodeContext,
  field: DescField & { fieldKind: "map" },
  value: JsonValue,
  place: Place,
): JsonValue | undefined {
  const object = asObject(context, value, place);
  if (object === undefined) return undefined;
  const entries: [string, JsonValue][] = [];
  for (const [key, item] of Object.entries(object)) {
    const here = below(place, key);
    if (field.mapKey !== ScalarType.STRING) taken(context, readScalar(field.mapKey, key), here);
    const result = field.message
      ? decodeMessage(context, field.message, item, here)
      : decodeLeaf(context, field, item, here);
    if (result !== undefined) entries.push([key, result]);
  }
  // Own properties, also of a key such as "__proto__".
  const decoded: JsonObject = Object.fromEntries(entries);
  context.origins.set(decoded, [place]);
  return entries.length > 0 ? decoded : undefined;
}

function readEnum(type: DescEnum, value: JsonValue): Read {
  if (typeof value === "number" && Number.isInteger(value)) {
    const known = type.values.find(({ number }) => number === value);
    return { value: known?.name ?? value };
  }
  if (typeof value !== "string") return wrong(`a value of ${type.typeName}`, value);
  // Like Envoy, case does not matter.
  const name = value.toUpperCase();
  const known = type.values.find((candidate) => candidate.name.toUpperCase() === name);
  if (known !== undefined) return { value: known.name };
  const names = type.values.map((candidate) => candidate.name);
  const choice = hint(name, names) || `; it has ${names.join(", ")}`;
  return { problem: `"${value}" is not a value of ${type.typeName}${choice}` };
}

function readExactEnum(type: DescEnum, value: JsonValue): Read {
  const read = readEnum(type, value);
  if ("problem" in read || read.value === value) {
    return "value" in read && typeof read.value === "number"
      ? { problem: `${value} is not a value of ${type.typeName}` }
      : read;
  }
  return typeof value === "number"
    ? read
    : { problem: `"${value}" is not a value of ${type.typeName}; did you mean "${read.value}"?` };
}

function decodeWellKnown(
  context: DecodeContext,
  message: DescMessage,
  value: JsonValue,
  place: Place,
): JsonValue | undefined {
  const wrapper = wrapped(message);
  if (wrapper !== undefined) return decodeLeaf(context, { scalar: wrapper }, value, place);
  switch (message.typeName) {
    case "google.protobuf.Any":
      return decodeAny(context, value, place);
    case "google.protobuf.Duration":
      return taken(
        context,
        context.dialect === "istio" ? readGoDuration(value) : readDuration(value),
        place,
      );
    case "google.protobuf.Timestamp":
      return taken(context, readTimestamp(value), place);
    case "google.protobuf.FieldMask":
      return taken(context, readScalar(ScalarType.STRING, value), place);
    case "google.protobuf.Value":
      return value;
    case "google.protobuf.ListValue":
      return Array.isArray(value) ? value : taken(context, wrong("a list", value), place);
    case "google.protobuf.Struct": {
      const object = asObject(context, value, place);
      // A copy: the same text may stand at two places through a YAML alias.
      return object && { ...object };
    }
    default: {
      const object = asObject(context, value, place);
      return object && decodeFields(context, message, object, place);
    }
  }
}

function decodeAny(context: DecodeContext, value: JsonValue, place: Place): JsonObject | undefined {
  const object = asObject(context, value, place);
  if (object === undefined) return undefined;
  const { "@type": url, ...fields } = object;
  if (typeof url !== "string") {
    // Envoy takes an Any without anything in it for none at all.
    if (Object.keys(object).length > 0) context.problems.add(place, '"@type" is missing');
    return undefined;
  }
  const message = messageOf(context, url, below(place, "@type"));
  if (message === undefined) return undefined;
  if (typedStructs.has(message.typeName)) return decodeTypedStruct(context, message, fields, place);
  return decodeContent(context, { url, message }, fields, place);
}

interface Content {
  readonly url: string;
  readonly message: DescMessage;
}

function decodeContent(
  context: DecodeContext,
  { url, message }: Content,
  fields: JsonObject,
  place: Place,
): JsonObject | undefined {
  const any: JsonObject = { "@type": url };
  if (hasOwnForm(message)) {
    const result = decodeMessage(context, message, fields["value"] ?? {}, below(place, "value"));
    if (result !== undefined) any["value"] = result;
  } else {
    Object.assign(any, decodeFields(context, message, fields, place));
  }
  context.origins.set(any, [place]);
  return any;
}

/** TypedStruct carries another message as free JSON, for control planes that do not know its type. Envoy unpacks it too. */
function decodeTypedStruct(
  context: DecodeContext,
  wrapper: DescMessage,
  fields: JsonObject,
  place: Place,
): JsonObject | undefined {
  const struct = decodeFields(context, wrapper, fields, place);
  const url = struct["typeUrl"];
  const urlPlace = below(place, "type_url");
  if (typeof url !== "string") {
    context.problems.add(urlPlace, "value is required");
    return undefined;
  }
  const message = messageOf(context, url, urlPlace);
  if (message === undefined) return undefined;
  const valuePlace = below(place, "value");
  const inner = asObject(context, struct["value"] ?? {}, valuePlace);
  return inner && decodeContent(context, { url, message }, inner, valuePlace);
}

function messageOf(context: DecodeContext, url: string, place: Place): DescMessage | undefined {
  const slash = url.lastIndexOf("/");
  if (slash < 0) {
    const message = `"${url}" is not a type URL; write "type.googleapis.com/${url}"`;
    context.problems.add(place, message);
    return undefined;
  }
  const message = context.registry.getMessage(url.slice(slash + 1));
  if (message === undefined) context.problems.add(place, `unknown type "${url}"`);
  return message;
}

function taken(
  context: DecodeContext,
  read: Read | { problem: string },
  place: Place,
): JsonValue | undefined {
  if ("value" in read) return read.value;
  context.problems.add(place, read.problem);
  return undefined;
}

function asObject(context: DecodeContext, value: JsonValue, place: Place): JsonObject | undefined {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  context.problems.add(place, wrong("a map", value).problem);
  return undefined;
}
