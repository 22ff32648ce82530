/** Values of CEL expressions, and what its operators do with them. Undefined is an error, which makes a condition false. */
import { RequestHead } from "#http/message.ts";
import { fromByteText } from "../matching/byte-text.ts";

/** A point in time; milliseconds since 1970. */
export class Instant {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }
}

export class Span {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }
}

/** int and uint are bigint, double is number; a RequestHead is the map of its headers. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Instant
  | Span
  | RequestHead
  | readonly Value[]
  | Struct;

export interface Struct {
  readonly [key: string]: Value;
}

type Binary = (a: Value, b: Value) => Value;

const isNumeric = (value: Value): value is number | bigint =>
  typeof value === "number" || typeof value === "bigint";
const isTime = (value: Value): value is Instant | Span =>
  value instanceof Instant || value instanceof Span;
export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

function isStruct(value: Value): value is Struct {
  return (
    typeof value === "object" &&
    value !== null &&
    !isList(value) &&
    !isTime(value) &&
    !(value instanceof RequestHead)
  );
}

/** Values of different types are not equal; numbers of different types are when they are the same number. */
export function equals(a: Value, b: Value): boolean | undefined {
  if (a === undefined || b === undefined) return undefined;
  // biome-ignore lint/suspicious/noDoubleEquals: 1n == 1, which are an int and a double.
  if (isNumeric(a) && isNumeric(b)) return a == b;
  if (isTime(a) && isTime(b)) return a.constructor === b.constructor && a.ms === b.ms;
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((item, index) => equals(item, b[index]) === true);
  return a === b;
}

/** Less than 0, 0 or more than 0; undefined: they have no order. */
function compare(a: Value, b: Value): number | undefined {
  if ((isNumeric(a) && isNumeric(b)) || (typeof a === "string" && typeof b === "string"))
    return a < b ? -1 : a > b ? 1 : 0;
  if (isTime(a) && isTime(b) && a.constructor === b.constructor) return a.ms - b.ms;
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  return undefined;
}

const order =
  (holds: (comparison: number) => boolean): Binary =>
  (a, b) => {
    const comparison = compare(a, b);
    return comparison === undefined ? undefined : holds(comparison);
  };

const text =
  (holds: (a: string, b: string) => boolean): Binary =>
  (a, b) =>
    typeof a === "string" && typeof b === "string" ? holds(a, b) : undefined;

const intMax = 2n ** 63n - 1n;
const intMin = -(2n ** 63n);

/** Leaving 64 bits is an error. */
function int(value: bigint): bigint | undefined {
  return value > intMax || value < intMin ? undefined : value;
}

const arithmetic =
  (ints: (a: bigint, b: bigint) => Value, doubles: (a: number, b: number) => Value): Binary =>
  (a, b) => {
    if (typeof a === "bigint" && typeof b === "bigint") return ints(a, b);
    return typeof a === "number" && typeof b === "number" ? doubles(a, b) : undefined;
  };

const addNumbers = arithmetic(
  (a, b) => int(a + b),
  (a, b) => a + b,
);
const subtractNumbers = arithmetic(
  (a, b) => int(a - b),
  (a, b) => a - b,
);

function add(a: Value, b: Value): Value {
  if (a instanceof Span && b instanceof Span) return new Span(a.ms + b.ms);
  if (a instanceof Instant && b instanceof Span) return new Instant(a.ms + b.ms);
  if (a instanceof Span && b instanceof Instant) return new Instant(a.ms + b.ms);
  return addNumbers(a, b);
}

function subtract(a: Value, b: Value): Value {
  if (a instanceof Instant && b instanceof Instant) return new Span(a.ms - b.ms);
  if (a instanceof Instant && b instanceof Span) return new Instant(a.ms - b.ms);
  if (a instanceof Span && b instanceof Span) return new Span(a.ms - b.ms);
  return subtractNumbers(a, b);
}

function contains(container: Value, item: Value): Value {
  if (item === undefined) return undefined;
  if (isList(container)) return container.some((each) => equals(item, each) === true);
  if (container instanceof RequestHead || isStruct(container))
    return typeof item === "string" ? at(container, item) !== undefined : undefined;
  return undefined;
}

/** An item of a list, a value of a map, or a header's values joined by a comma. */
export function at(container: Value, key: Value): Value {
  if (isList(container))
    return typeof key === "bigint" && key >= 0n ? container[Number(key)] : undefined;
  if (typeof key !== "string") return undefined;
  if (container instanceof RequestHead) return header(container, key.toLowerCase());
  return isStruct(container) && Object.hasOwn(container, key) ? container[key] : undefined;
}

function header(head: RequestHead, name: string): string | undefined {
  let value = head.get(name);
  if (value === undefined || name.startsWith(":") || name === "host") return value;
  const { list } = head.headers;
  let seen = false;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== name) continue;
    if (seen) value += `,${list[i + 1] ?? ""}`;
    seen = true;
  }
  return value;
}

export const binary: Readonly<Record<string, Binary>> = {
  "_==_": equals,
  "_!=_": (a, b) => not(equals(a, b)),
  "_<_": order((c) => c < 0),
  "_<=_": order((c) => c <= 0),
  "_>_": order((c) => c > 0),
  "_>=_": order((c) => c >= 0),
  "_[_]": at,
  "@in": (a, b) => contains(b, a),
  _in_: (a, b) => contains(b, a),
  startsWith: text((a, b) => a.startsWith(b)),
  endsWith: text((a, b) => a.endsWith(b)),
  contains: text((a, b) => a.includes(b)),
  "_+_": add,
  "_-_": subtract,
  "_*_": arithmetic(
    (a, b) => int(a * b),
    (a, b) => a * b,
  ),
  "_/_": arithmetic(
    (a, b) => (b === 0n ? undefined : int(a / b)),
    (a, b) => a / b,
  ),
  "_%_": arithmetic(
    (a, b) => (b === 0n ? undefined : a % b),
    () => undefined,
  ),
};

export function not(value: Value): Value {
  return typeof value === "boolean" ? !value : undefined;
}

const part =
  (get: (date: Date) => number) =>
  (value: Value): Value =>
    value instanceof Instant ? BigInt(get(new Date(value.ms))) : undefined;

export const unary: Readonly<Record<string, (value: Value) => Value>> = {
  "!_": not,
  "-_": (value) => {
    if (typeof value === "bigint") return int(-value);
    return typeof value === "number" ? -value : undefined;
  },
  size,
  int: toInt,
  double: toDouble,
  timestamp: toInstant,
  duration: toSpan,
  getFullYear: part((date) => date.getUTCFullYear()),
  getMonth: part((date) => date.getUTCMonth()),
  getDate: part((date) => date.getUTCDate()),
  getDayOfMonth: part((date) => date.getUTCDate() - 1),
  getDayOfWeek: part((date) => date.getUTCDay()),
  getHours: part((date) => date.getUTCHours()),
  getMinutes: part((date) => date.getUTCMinutes()),
  getSeconds: part((date) => date.getUTCSeconds()),
  getMilliseconds: part((date) => date.getUTCMilliseconds()),
};

function size(value: Value): Value {
  // Code points: a text here is bytes.
  if (typeof value === "string") return BigInt([...fromByteText(value)].length);
  if (isList(value)) return BigInt(value.length);
  // The four pseudo headers count.
  if (value instanceof RequestHead) return BigInt(value.headers.count + 4);
  return isStruct(value) ? BigInt(Object.keys(value).length) : undefined;
}

function toInt(value: Value): Value {
  if (typeof value === "bigint") return value;
  if (typeof value === "number")
    return Number.isFinite(value) ? int(BigInt(Math.trunc(value))) : undefined;
  if (value instanceof Instant) return BigInt(Math.floor(value.ms / 1000));
  return typeof value === "string" && /^[+-]?\d{1,19}$/.test(value)
    ? int(BigInt(value))
    : undefined;
}

function toDouble(value: Value): Value {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "string" || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value))
    return undefined;
  return Number(value);
}

/** RFC 3339. */
function toInstant(value: Value): Value {
  if (value instanceof Instant) return value;
  if (typeof value !== "string") return undefined;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value))
    return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : new Instant(ms);
}

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  ns: 1e-6,
};

/** Numbers with units: `1h30m`, `-1.5s`. */
function toSpan(value: Value): Value {
  if (value instanceof Span) return value;
  if (typeof value !== "string" || !/^[+-]?(\d+(\.\d+)?(h|ms|m|s|us|ns))+$/.test(value))
    return undefined;
  let ms = 0;
  for (const [, number, unit = ""] of value.matchAll(/([\d.]+)([a-z]+)/g))
    ms += Number(number) * (unitMs[unit] ?? 0);
  return new Span(value.startsWith("-") ? -ms : ms);
}
