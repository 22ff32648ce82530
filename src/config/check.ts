/** Canonical ProtoJSON against the rules of the .proto files, and against what Heddle supports. */
import type {
  DescField,
  DescMessage,
  JsonObject,
  JsonValue,
  Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import type { FieldRulesJson } from "#gen/validate/validate_pb.js";
import { hasOwnForm, type Origins, wrapped } from "./decode.ts";
import { isObject } from "./merge.ts";
import { below, keysOf, type Place, type Problems } from "./place.ts";
import { checkLength, checkValue, isDisallowed, isRequired, rulesOf } from "./rules.ts";
import { camelCase } from "./source-text.ts";

/** The fields that Heddle implements of each message type, in the .proto's spelling. */
export type SupportedFields = ReadonlyMap<string, ReadonlySet<string>>;

export interface CheckContext {
  readonly registry: Registry;
  readonly problems: Problems;
  /** For what is valid, and not supported; by default `problems` too. */
  readonly unsupported?: Problems;
  readonly origins: Origins;
  /** Undefined: rules only. */
  readonly supported: SupportedFields | undefined;
}

export function checkMessage(
  context: CheckContext,
  message: DescMessage,
  object: JsonObject,
  place: Place,
): void {
  const listed = context.supported?.get(message.typeName);
  if (context.supported !== undefined && listed === undefined) {
    notSupported(context, place, `${message.typeName} is not supported by Heddle`);
    return;
  }
  for (const field of message.fields) {
    const value = object[field.jsonName];
    const here = placeOf(context, object, field, place);
    if (value === undefined) {
      checkAbsent(context, field, here);
    } else if (listed !== undefined && !listed.has(field.name)) {
      notSupported(context, here, "is not supported by Heddle", "key");
    } else if (isDisallowed(field)) {
      context.problems.add(here, "is deprecated, and refused by Envoy too", "key");
    } else {
      checkField(context, field, value, here);
    }
  }
  for (const oneof of message.oneofs) {
    if (isRequired(oneof) && oneof.fields.every(({ jsonName }) => object[jsonName] === undefined)) {
      const names = oneof.fields.map(({ name }) => name).join(", ");
      context.problems.add(place, `one of ${names} is required`);
    }
  }
}

function notSupported(
  { problems, unsupported = problems }: CheckContext,
  place: Place,
  message: string,
  at?: "key",
): void {
  unsupported.add(place, message, at);
}

/** After a merge an object has parts in two texts: the problem is where the field was written. */
function placeOf(
  context: CheckContext,
  object: JsonObject,
  field: DescField,
  fallback: Place,
): Place {
  const places = context.origins.get(object);
  // It came as bytes: nobody wrote it with a spelling of their own.
  if (places === undefined) return below(fallback, field.name);
  for (const place of places) {
    const written = valueAt(place);
    const key = [field.name, field.jsonName].find((name) => isObject(written) && name in written);
    if (key !== undefined) return below(place, key);
  }
  return below(places[0] ?? fallback, field.name);
}

function valueAt(place: Place): JsonValue | undefined {
  let value = place.source.value;
  for (const key of keysOf(place)) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isObject(value)) value = value[key] ?? value[camelCase(String(key))];
    else return undefined;
  }
  return value;
}

function checkAbsent(context: CheckContext, field: DescField, place: Place): void {
  // A member of a oneof that was not chosen is nothing; the oneof itself may be required.
  const problem = field.oneof === undefined ? absentProblem(field, rulesOf(field)) : undefined;
  if (problem !== undefined) context.problems.add(place, problem);
}

function absentProblem(field: DescField, rules: FieldRulesJson): string | undefined {
  switch (field.fieldKind) {
    case "message":
      return (rules.message ?? rules.duration ?? rules.any ?? rules.timestamp)?.required === true
        ? "value is required"
        : undefined;
    case "list":
      return checkLength({
        length: 0,
        least: rules.repeated?.minItems,
        most: undefined,
        unit: "items",
      });
    case "map":
      return checkLength({
        length: 0,
        least: rules.map?.minPairs,
        most: undefined,
        unit: "entries",
      });
    default:
      // A field without presence is its default.
      if (field.proto.proto3Optional) return undefined;
      return field.fieldKind === "enum"
        ? checkValue(
            rules,
            field.enum.values.find((value) => value.number === 0)?.name ?? 0,
            field.enum,
          )
        : checkValue(rules, defaultOf(field), undefined);
  }
}

function defaultOf(field: DescField & { fieldKind: "scalar" }): JsonValue {
  const value = field.getDefaultValue();
  if (value instanceof Uint8Array) return "";
  return typeof value === "bigint" ? String(value) : (value ?? "");
}

function checkField(context: CheckContext, field: DescField, value: JsonValue, place: Place): void {
  const rules = rulesOf(field);
  switch (field.fieldKind) {
    case "message":
      checkSingle(context, { message: field.message, rules }, value, place);
      return;
    case "list":
      if (Array.isArray(value)) checkList(context, field, value, place);
      return;
    case "map":
      if (isObject(value)) checkMap(context, field, value, place);
      return;
    case "enum":
    case "scalar":
      checkSingle(context, { message: undefined, enum: field.enum, rules }, value, place);
  }
}

interface Kind {
  readonly message?: DescMessage | undefined;
  readonly enum?: DescField["enum"];
  readonly scalar?: ScalarType | undefined;
  readonly rules: FieldRulesJson;
}

function checkSingle(context: CheckContext, kind: Kind, value: JsonValue, place: Place): void {
  const { message, rules } = kind;
  if (message?.typeName === "google.protobuf.Any") {
    if (isObject(value)) checkAny(context, rules, value, place);
  } else if (message !== undefined && wrapped(message) === undefined && isObject(value)) {
    if (!hasOwnForm(message) && rules.message?.skip !== true) {
      checkMessage(context, message, value, place);
    }
  } else {
    const problem = checkValue(rules, value, kind.enum);
    if (problem !== undefined) context.problems.add(place, problem);
  }
}

function checkAny(
  context: CheckContext,
  rules: FieldRulesJson,
  value: JsonObject,
  place: Place,
): void {
  const url = String(value["@type"]);
  const message = context.registry.getMessage(url.slice(url.lastIndexOf("/") + 1));
  const here = context.origins.get(value)?.[0] ?? place;
  if (rules.any?.in !== undefined && !rules.any.in.includes(url)) {
    context.problems.add(here, `"@type" must be one of ${rules.any.in.join(", ")}`);
  } else if (message === undefined || hasOwnForm(message)) {
    return;
  } else if (context.supported !== undefined && !context.supported.has(message.typeName)) {
    notSupported(context, here, `extension ${message.typeName} is not supported by Heddle`);
  } else {
    checkMessage(context, message, value, here);
  }
}

function checkList(
  context: CheckContext,
  field: DescField & { fieldKind: "list" },
  items: readonly JsonValue[],
  place: Place,
): void {
  const { minItems, maxItems, unique, items: rules = {} } = rulesOf(field).repeated ?? {};
  const problem =
    checkLength({ length: items.length, least: minItems, most: maxItems, unit: "items" }) ??
    (unique === true && new Set(items.map((item) => JSON.stringify(item))).size < items.length
      ? "items must be unique"
      : undefined);
  if (problem !== undefined) context.problems.add(place, problem);
  for (const [index, item] of items.entries()) {
    const fallback = below(place, index);
    const here = isObject(item) ? (context.origins.get(item)?.[0] ?? fallback) : fallback;
    checkSingle(context, { message: field.message, enum: field.enum, rules }, item, here);
  }
}

function checkMap(
  context: CheckContext,
  field: DescField & { fieldKind: "map" },
  entries: JsonObject,
  place: Place,
): void {
  const { minPairs, maxPairs, keys = {}, values = {} } = rulesOf(field).map ?? {};
  const length = Object.keys(entries).length;
  const problem = checkLength({ length, least: minPairs, most: maxPairs, unit: "entries" });
  if (problem !== undefined) context.problems.add(place, problem);
  for (const [key, item] of Object.entries(entries)) {
    const fallback = below(place, key);
    const here = isObject(item) ? (context.origins.get(item)?.[0] ?? fallback) : fallback;
    const keyProblem = checkValue(keys, key, undefined);
    if (keyProblem !== undefined) context.problems.add(here, keyProblem, "key");
    checkSingle(context, { message: field.message, enum: field.enum, rules: values }, item, here);
  }
}
