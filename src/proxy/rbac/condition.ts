import type { ExprJson } from "#gen/google/api/expr/v1alpha1/syntax_pb.js";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { byteText } from "../matching/byte-text.ts";
import { compileRegex } from "../matching/regex.ts";
import type { StreamInfo } from "../stream-info.ts";
import { type Attribute, attribute } from "./attributes.ts";
import { at, binary, unary, type Value } from "./values.ts";

/** A CEL condition, given as Envoy gets it: a parsed expression. Compiled to closures; what is not supported is refused by name. */
export function compileCondition(
  expression: ExprJson,
): (info: StreamInfo, head: RequestHead | undefined) => boolean {
  const evaluate = compile(expression);
  return (info, head) => evaluate(info, head) === true;
}

function compile(expression: ExprJson): Attribute {
  const { constExpr, identExpr, selectExpr, callExpr, listExpr, structExpr } = expression;
  if (constExpr !== undefined) return constant(constExpr);
  if (identExpr !== undefined)
    throw refuse("ident_expr", `'${identExpr.name ?? ""}' alone is no value`);
  if (selectExpr !== undefined) return within("select_expr", () => select(expression));
  if (listExpr !== undefined) {
    const items = within("list_expr", () => compileEach("elements", listExpr.elements, compile));
    return (info, head) => items.map((item) => item(info, head));
  }
  if (structExpr !== undefined) return within("struct_expr", () => struct(structExpr));
  if (callExpr !== undefined) return within("call_expr", () => call(callExpr));
  throw refuse("expr_kind", "only constants, selections, calls, lists and maps are supported");
}

function constant(config: NonNullable<ExprJson["constExpr"]>): Attribute {
  const value = constantValue(config);
  return () => value;
}

function constantValue(config: NonNullable<ExprJson["constExpr"]>): Value {
  const { stringValue, boolValue, int64Value, uint64Value, doubleValue } = config;
  if (stringValue !== undefined) return byteText(stringValue);
  if (doubleValue !== undefined) return Number(doubleValue);
  const whole = int64Value ?? uint64Value;
  return whole === undefined ? (boolValue ?? null) : BigInt(whole);
}

/** `request.path`, `source.address`, `request.headers` …: the whole dotted name is looked up once, here. */
function select(expression: ExprJson): Attribute {
  const { operand, field: key = "", testOnly } = expression.selectExpr ?? {};
  const path = dotted(expression);
  const whole = path === undefined ? undefined : attribute(path);
  if (whole !== undefined)
    return testOnly === true ? (info, head) => whole(info, head) !== undefined : whole;
  const inner = dotted(operand);
  if (operand === undefined || (inner !== undefined && !inner.includes(".")))
    throw refuse("field", `attribute ${path ?? key} is not supported`);
  const container = within("operand", () => compile(operand));
  if (testOnly === true) return (info, head) => at(container(info, head), key) !== undefined;
  return (info, head) => at(container(info, head), key);
}

function dotted(expression: ExprJson | undefined): string | undefined {
  if (expression?.identExpr !== undefined) return expression.identExpr.name ?? "";
  const selection = expression?.selectExpr;
  if (selection === undefined) return undefined;
  const before = dotted(selection.operand);
  return before === undefined ? undefined : `${before}.${selection.field ?? ""}`;
}

/** A map whose keys are constant texts. */
function struct(config: NonNullable<ExprJson["structExpr"]>): Attribute {
  const entries = compileEach("entries", config.entries, ({ mapKey, value }) => {
    const key = mapKey?.constExpr?.stringValue;
    if (key === undefined || value === undefined)
      throw refuse("map_key", "only constant texts are supported");
    return { key: byteText(key), value: within("value", () => compile(value)) };
  });
  return (info, head) =>
    Object.fromEntries(entries.map(({ key, value }) => [key, value(info, head)]));
}

function call(config: NonNullable<ExprJson["callExpr"]>): Attribute {
  const name = config.function ?? "";
  const target = config.target === undefined ? [] : [config.target];
  const parts = [...target, ...(config.args ?? [])];
  if (name === "matches") return matches(parts);
  refuseUintArithmetic(name, parts);
  const operands = compileEach("args", parts, compile);
  return apply(name, operands);
}

function apply(name: string, operands: readonly Attribute[]): Attribute {
  const [first, second, third] = operands;
  if (first !== undefined && second === undefined && Object.hasOwn(unary, name)) {
    const operator = unary[name];
    if (operator !== undefined) return (info, head) => operator(first(info, head));
  }
  if (first === undefined || second === undefined)
    throw refuse("function", `${name} is not supported`);
  if (third !== undefined) {
    if (name !== "_?_:_" || operands.length > 3)
      throw refuse("function", `${name} is not supported`);
    return (info, head) => {
      const chosen = first(info, head);
      if (typeof chosen !== "boolean") return undefined;
      return chosen ? second(info, head) : third(info, head);
    };
  }
  // An error on one side does not matter when the other side decides (CEL's commutative logic).
  if (name === "_&&_") return (info, head) => decided(false, info, head, first, second);
  if (name === "_||_") return (info, head) => decided(true, info, head, first, second);
  const operator = Object.hasOwn(binary, name) ? binary[name] : undefined;
  if (operator === undefined) throw refuse("function", `${name} is not supported`);
  return (info, head) => operator(first(info, head), second(info, head));
}

function decided(
  deciding: boolean,
  info: StreamInfo,
  head: RequestHead | undefined,
  first: Attribute,
  second: Attribute,
): Value {
  const a = first(info, head);
  if (a === deciding) return deciding;
  const b = second(info, head);
  if (b === deciding) return deciding;
  return typeof a === "boolean" && typeof b === "boolean" ? !deciding : undefined;
}

/** Signed and unsigned are one type here: they compare as in CEL, but their sums end elsewhere. */
function refuseUintArithmetic(name: string, parts: readonly ExprJson[]): void {
  if (!["_+_", "_-_", "_*_", "_/_", "_%_"].includes(name)) return;
  if (parts.some(({ constExpr }) => constExpr?.uint64Value !== undefined))
    throw refuse("function", `${name} of unsigned numbers is not supported`);
}

function matches(parts: readonly ExprJson[]): Attribute {
  const [subjectPart, patternPart] = parts;
  const pattern = patternPart?.constExpr?.stringValue;
  if (subjectPart === undefined || pattern === undefined)
    throw refuse("function", "matches needs a constant pattern");
  // CEL's matches looks anywhere in the text.
  const regex = compileRegex(`(?s).*(?:${pattern}).*`);
  const value = compile(subjectPart);
  return (info, head) => {
    const found = value(info, head);
    return typeof found === "string" ? regex.matches(found) : undefined;
  };
}
