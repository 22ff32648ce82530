/** `--config-yaml` over `--config-path`, as protobuf's MergeFrom does it: lists are appended, messages merged. */
import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Origins } from "./decode.ts";

export function mergeMessages(
  message: DescMessage,
  base: JsonObject,
  overlay: JsonObject,
  origins: Origins,
): JsonObject {
  const merged: JsonObject = { ...base };
  origins.set(merged, [...(origins.get(overlay) ?? []), ...(origins.get(base) ?? [])]);
  for (const field of message.fields) {
    const value = overlay[field.jsonName];
    if (value === undefined) continue;
    for (const other of field.oneof?.fields ?? []) {
      if (other !== field) delete merged[other.jsonName];
    }
    const below = merged[field.jsonName];
    if (field.fieldKind === "list" && Array.isArray(below) && Array.isArray(value)) {
      const list = [...below, ...value];
      origins.set(list, [...(origins.get(below) ?? []), ...(origins.get(value) ?? [])]);
      merged[field.jsonName] = list;
    } else if (field.fieldKind === "map" && isObject(below) && isObject(value)) {
      merged[field.jsonName] = { ...below, ...value };
    } else if (field.fieldKind === "message" && isObject(below) && isObject(value)) {
      merged[field.jsonName] = mergeInner(field.message, below, value, origins);
    } else {
      merged[field.jsonName] = value;
    }
  }
  return merged;
}

function mergeInner(
  message: DescMessage,
  base: JsonObject,
  overlay: JsonObject,
  origins: Origins,
): JsonObject {
  // Bytes in an Any are replaced whole.
  if (message.typeName === "google.protobuf.Any") return overlay;
  if (message.typeName === "google.protobuf.Struct") return { ...base, ...overlay };
  return mergeMessages(message, base, overlay, origins);
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
