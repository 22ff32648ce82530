import type { ExprJson } from "#gen/google/api/expr/v1alpha1/syntax_pb.js";
import type { RequestHead } from "#http/message.ts";
import { refuse, within } from "#lib/config-error.ts";
import { compileRegex } from "../matching/regex.ts";
import type { StreamInfo } from "../stream-info.ts";
import { attribute } from "./attributes.ts";

/** A CEL value as far as conditions need it; undefined: an error, which makes a condition false, as in Envoy. */
export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Value[]
  | ReadonlyMap<string, Value>;

type Evaluate = (info: StreamInfo, head: RequestHead | undefined) => Value;

/** A CEL condition, given as Envoy gets it: a parsed expression. Compiled to closures; what is not supported is refused by name. */
export function compileCondition(
  expression: ExprJson,
): (info: StreamInfo, head: RequestHead | undefined) => boolean {
  const evaluate = compile(expression);
  return (info, head) => evaluate(info, head) === true;
}

function compile(expression: ExprJson): Evaluate {
  const { constExpr, identExpr, selectExpr, callExpr, listExpr } = expression;
  if (constExpr !== undefined) return constant(constExpr);
  if (identExpr !== undefined)
    throw refuse("ident_expr", `'${identExpr.name ?? ""}' alone is no value`);
  if (selectExpr !== undefined) return select(expression);
  if (listExpr !== undefined) {
    const items = (listExpr.elements ?? []).map(compile);
    return (info, head) => items.map((item) => item(info, head));
  }
  if (callExpr !== undefined) return within("call_expr", () => call(callExpr));
  throw refuse("expr_kind", "only constants, selections, calls and lists are supported");
}

function constant(config: NonNullable<ExprJson["constExpr"]>): Evaluate {
  const { stringValue, boolValue, int64Value, uint64Value, doubleValue } = config;
  const number = int64Value ?? uint64Value ?? doubleValue;
  const value = stringValue ?? boolValue ?? (number === undefined ? null : Number(number));
  return () => value;
}

/** `request.path`, `source.address`, `request.headers` …: the whole dotted name is looked up once, here. */
function select(expression: ExprJson): Evaluate {
  const path = dotted(expression);
  const field = path === undefined ? undefined : attribute(path);
  if (field !== undefined) return field;
  const { operand, field: key = "", testOnly } = expression.selectExpr ?? {};
  if (operand === undefined || path?.includes(".") === false)
    throw refuse("select_expr", `attribute ${path ?? key} is not supported`);
  const inner = compile(operand);
  return (info, head) => {
    const map = inner(info, head);
    const value = map instanceof Map ? map.get(key) : undefined;
    return testOnly === true ? value !== undefined : value;
  };
}

function dotted(expression: ExprJson | undefined): string | undefined {
  if (expression?.identExpr !== undefined) return expression.identExpr.name ?? "";
  const selection = expression?.selectExpr;
  if (selection === undefined || selection.testOnly === true) return undefined;
  const before = dotted(selection.operand);
  return before === undefined ? undefined : `${before}.${selection.field ?? ""}`;
}

type Operator = (a: Value, b: Value) => Value;

const text =
  (operate: (a: string, b: string) => boolean): Operator =>
  (a, b) =>
    typeof a === "string" && typeof b === "string" ? operate(a, b) : undefined;
const order =
  (operate: (comparison: number) => boolean): Operator =>
  (a, b) => {
    if (
      (typeof a === "number" && typeof b === "number") ||
      (typeof a === "string" && typeof b === "string")
    )
      return operate(a < b ? -1 : a > b ? 1 : 0);
    return undefined;
  };

const operators: Readonly<Record<string, Operator>> = {
  "_==_": (a, b) => (a === undefined || b === undefined ? undefined : a === b),
  "_!=_": (a, b) => (a === undefined || b === undefined ? undefined : a !== b),
  "_<_": order((c) => c < 0),
  "_<=_": order((c) => c <= 0),
  "_>_": order((c) => c > 0),
  "_>=_": order((c) => c >= 0),
  "_[_]": (a, b) => (a instanceof Map && typeof b === "string" ? a.get(b) : undefined),
  "@in": (a, b) =>
    Array.isArray(b)
      ? b.includes(a)
      : b instanceof Map && typeof a === "string"
        ? b.has(a)
        : undefined,
  _in_: (a, b) => (Array.isArray(b) ? b.includes(a) : undefined),
  startsWith: text((a, b) => a.startsWith(b)),
  endsWith: text((a, b) => a.endsWith(b)),
  contains: text((a, b) => a.includes(b)),
};

function call(config: NonNullable<ExprJson["callExpr"]>): Evaluate {
  const name = config.function ?? "";
  const target = config.target === undefined ? [] : [config.target];
  const parts = [...target, ...(config.args ?? [])];
  if (name === "matches") return matches(parts);
  const operands = parts.map(compile);
  const [first, second] = operands;
  if (first === undefined) throw refuse("function", `${name} needs operands`);
  if (name === "!_") return (info, head) => negated(first(info, head));
  if (second === undefined) throw refuse("function", `${name} is not supported`);
  // An error on one side does not matter when the other side decides (CEL's commutative logic).
  if (name === "_&&_") return (info, head) => and(first(info, head), second(info, head));
  if (name === "_||_") return (info, head) => or(first(info, head), second(info, head));
  const operator = operators[name];
  if (operator === undefined) throw refuse("function", `${name} is not supported`);
  return (info, head) => operator(first(info, head), second(info, head));
}

function matches(parts: readonly ExprJson[]): Evaluate {
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

function negated(value: Value): Value {
  return typeof value === "boolean" ? !value : undefined;
}

function and(a: Value, b: Value): Value {
  if (a === false || b === false) return false;
  return a === true && b === true ? true : undefined;
}

function or(a: Value, b: Value): Value {
  if (a === true || b === true) return true;
  return a === false && b === false ? false : undefined;
}
