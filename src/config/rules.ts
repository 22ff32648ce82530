/** The rules that Envoy's .proto files give for values (protoc-gen-validate), read from the descriptors' options. */
import {
  type DescEnum,
  type DescField,
  type DescOneof,
  getExtension,
  hasExtension,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import { RE2JS } from "re2js";
import { disallowed_by_default as disallowed } from "#gen/envoy/annotations/deprecation_pb.js";
import {
  type DurationRulesJson,
  type EnumRulesJson,
  type FieldRulesJson,
  FieldRulesSchema,
  required,
  rules as rulesExtension,
  type StringRulesJson,
  type UInt64RulesJson,
} from "#gen/validate/validate_pb.js";

const cache = new WeakMap<DescField, FieldRulesJson>();
const none: FieldRulesJson = {};
/** Rules of these older .proto files that Envoy has dropped since. */
const dropped: ReadonlySet<string> = new Set([
  // `record` has taken its place.
  "envoy.config.core.v3.KeyValueAppend.entry",
  // 0: nothing passes.
  "envoy.type.v3.TokenBucket.max_tokens",
  // Empty: any value.
  "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry.value",
]);

export function rulesOf(field: DescField): FieldRulesJson {
  let found = cache.get(field);
  if (found === undefined) {
    const options = field.proto.options;
    found =
      options !== undefined &&
      hasExtension(options, rulesExtension) &&
      !dropped.has(`${field.parent.typeName}.${field.name}`)
        ? toJson(FieldRulesSchema, getExtension(options, rulesExtension))
        : none;
    cache.set(field, found);
  }
  return found;
}

/** To read an option of a descriptor costs more than to check a field, and they never change. */
const flags = new WeakMap<DescOneof | DescField, boolean>();

export function isRequired(oneof: DescOneof): boolean {
  return flagOf(oneof, () =>
    oneof.proto.options === undefined ? false : getExtension(oneof.proto.options, required),
  );
}

/** Fields that Envoy refuses unless its runtime says otherwise. */
export function isDisallowed(field: DescField): boolean {
  return flagOf(field, () =>
    field.proto.options === undefined ? false : getExtension(field.proto.options, disallowed),
  );
}

function flagOf(described: DescOneof | DescField, read: () => boolean): boolean {
  let flag = flags.get(described);
  if (flag === undefined) {
    flag = read();
    flags.set(described, flag);
  }
  return flag;
}

/** What is wrong with a single value (not a list, map or message). */
export function checkValue(
  rules: FieldRulesJson,
  value: JsonValue,
  enumType: DescEnum | undefined,
): string | undefined {
  if (rules.string !== undefined) return checkString(rules.string, String(value));
  if (rules.enum !== undefined && enumType !== undefined) {
    return checkEnum(rules.enum, value, enumType);
  }
  if (rules.duration !== undefined) return checkDuration(rules.duration, String(value));
  if (rules.bytes !== undefined) {
    const { minLen, maxLen } = rules.bytes;
    const length = Buffer.byteLength(String(value), "base64");
    return checkLength({ length, least: minLen, most: maxLen, unit: "bytes" });
  }
  if (rules.bool?.const !== undefined && value !== rules.bool.const) {
    return `must be ${rules.bool.const}`;
  }
  const numeric =
    rules.uint32 ?? rules.uint64 ?? rules.int32 ?? rules.int64 ?? rules.double ?? rules.float;
  return numeric === undefined ? undefined : checkNumber(numeric, value);
}

type NumberRules = { readonly [rule in keyof UInt64RulesJson]?: unknown };

function checkNumber(rules: NumberRules, value: JsonValue): string | undefined {
  const listed = (rule: unknown): readonly unknown[] | undefined =>
    Array.isArray(rule) && rule.length > 0 ? rule.map(Number) : undefined;
  return checkOrder(Number(value), {
    const: rules.const,
    lt: rules.lt,
    lte: rules.lte,
    gt: rules.gt,
    gte: rules.gte,
    in: listed(rules.in),
    notIn: listed(rules.notIn),
  });
}

function checkDuration(rules: DurationRulesJson, value: string): string | undefined {
  return checkOrder(secondsOf(value), rules);
}

interface OrderRules {
  readonly const?: unknown;
  readonly lt?: unknown;
  readonly lte?: unknown;
  readonly gt?: unknown;
  readonly gte?: unknown;
  readonly in?: readonly unknown[] | undefined;
  readonly notIn?: readonly unknown[] | undefined;
}

function checkOrder(value: number, rules: OrderRules): string | undefined {
  const { lt, lte, gt, gte } = rules;
  if (rules.const !== undefined && value !== secondsOf(rules.const)) {
    return `value must equal ${rules.const}`;
  }
  if (rules.in !== undefined && !rules.in.some((one) => secondsOf(one) === value)) {
    return `value must be one of ${rules.in.join(", ")}`;
  }
  if (rules.notIn?.some((one) => secondsOf(one) === value)) {
    return `value must not be one of ${rules.notIn.join(", ")}`;
  }
  if (lt !== undefined && !(value < secondsOf(lt))) return `value must be less than ${lt}`;
  if (lte !== undefined && !(value <= secondsOf(lte))) {
    return `value must be less than or equal to ${lte}`;
  }
  if (gt !== undefined && !(value > secondsOf(gt))) return `value must be greater than ${gt}`;
  if (gte !== undefined && !(value >= secondsOf(gte))) {
    return `value must be greater than or equal to ${gte}`;
  }
  return undefined;
}

/** A number, or a duration's seconds; `0s` is also how ProtoJSON writes a rule of zero. */
function secondsOf(value: unknown): number {
  return Number(String(value).replace(/s$/, ""));
}

function checkEnum(rules: EnumRulesJson, value: JsonValue, type: DescEnum): string | undefined {
  const known = type.values.find(({ name }) => name === value);
  const number = known?.number ?? Number(value);
  if (rules.definedOnly === true && known === undefined) {
    return "value must be one of the defined enum values";
  }
  if (rules.const !== undefined && rules.const !== number) {
    return "value is not the one that is allowed here";
  }
  if (rules.in !== undefined && !rules.in.includes(number)) {
    return "value is not among those allowed here";
  }
  return rules.notIn?.includes(number) === true ? `value must not be ${value}` : undefined;
}

interface Length {
  readonly length: number;
  readonly least: unknown;
  readonly most: unknown;
  readonly unit: string;
}

/** 64-bit limits come as strings. */
export function checkLength({ length, least, most, unit }: Length): string | undefined {
  if (least !== undefined && length < Number(least)) {
    return Number(least) === 1 && length === 0
      ? `value is required: at least 1 of its ${unit}`
      : `value must have at least ${least} ${unit}, not ${length}`;
  }
  if (most !== undefined && length > Number(most)) {
    return `value must have at most ${most} ${unit}, not ${length}`;
  }
  return undefined;
}

function checkString(rules: StringRulesJson, value: string): string | undefined {
  if (rules.ignoreEmpty === true && value === "") return undefined;
  return (
    checkLength({
      length: [...value].length,
      least: rules.minLen ?? rules.len,
      most: rules.maxLen ?? rules.len,
      unit: "characters",
    }) ??
    checkLength({
      length: Buffer.byteLength(value),
      least: rules.minBytes ?? rules.lenBytes,
      most: rules.maxBytes ?? rules.lenBytes,
      unit: "bytes",
    }) ??
    checkText(rules, value) ??
    checkForm(rules, value)
  );
}

function checkText(rules: StringRulesJson, value: string): string | undefined {
  const quoted = JSON.stringify(value);
  if (rules.const !== undefined && value !== rules.const) {
    return `value must be ${JSON.stringify(rules.const)}`;
  }
  if (rules.prefix !== undefined && !value.startsWith(rules.prefix)) {
    return `value must start with ${JSON.stringify(rules.prefix)}`;
  }
  if (rules.suffix !== undefined && !value.endsWith(rules.suffix)) {
    return `value must end with ${JSON.stringify(rules.suffix)}`;
  }
  if (rules.contains !== undefined && !value.includes(rules.contains)) {
    return `value must contain ${JSON.stringify(rules.contains)}`;
  }
  if (rules.notContains !== undefined && value.includes(rules.notContains)) {
    return `value must not contain ${JSON.stringify(rules.notContains)}`;
  }
  if (rules.in !== undefined && !rules.in.includes(value)) {
    return `value must be one of ${rules.in.join(", ")}`;
  }
  if (rules.notIn?.includes(value) === true) return `value must not be ${quoted}`;
  if (rules.pattern !== undefined && !RE2JS.compile(rules.pattern).matcher(value).find()) {
    return `value does not match ${rules.pattern}`;
  }
  return undefined;
}

/** The forms that Envoy's files use; e-mail and the like are in none of them. */
function checkForm(rules: StringRulesJson, value: string): string | undefined {
  if (rules.wellKnownRegex !== undefined) {
    const name = rules.wellKnownRegex === "HTTP_HEADER_NAME";
    // Not strict: only NUL, CR and LF are kept out, and even a name may be empty.
    const loose = /^[^\0\r\n]*$/;
    const strict = name ? /^:?[0-9A-Za-z!#$%&'*+\-.^_|~`]+$/ : /^[^\0-\x08\x0a-\x1f\x7f]*$/;
    const form = rules.strict === false ? loose : strict;
    return form.test(value) ? undefined : `value is not an HTTP header ${name ? "name" : "value"}`;
  }
  if (rules.uri === true && !/^[A-Za-z][\w+.-]*:/.test(value)) return "value is not a URI";
  return undefined;
}
