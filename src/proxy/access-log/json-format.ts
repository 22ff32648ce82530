import { isUtf8 } from "node:buffer";
import { refuse, within } from "#lib/config-error.ts";
import type { Json, StreamInfo } from "../stream-info.ts";
import type { Formatter } from "./access-log.ts";
import { type FormatEnvironment, type Operator, systemEnvironment } from "./operator.ts";
import { compileOperator, jsonNumber, sortedJson, textOf } from "./operators.ts";
import { parseFormat, toByteString } from "./parse-format.ts";

export interface JsonFormatOptions {
  readonly omitEmptyValues: boolean;
}

/** JSON text of one value, or undefined for null. */
type ValueWriter = (info: StreamInfo) => string | undefined;

/**
 * A JSON line with sorted keys, as Envoy prints it. A value that is one operator keeps its type (numbers stay numbers, absent is
 * null); several pieces make a string, where absent is `-`.
 */
export function compileJsonFormat(
  format: object,
  options: JsonFormatOptions,
  environment: FormatEnvironment = systemEnvironment,
): Formatter {
  const compile = new Compile(options, environment);
  if (options.omitEmptyValues) {
    const write = compile.omitting(format);
    return (info) => `${write(info) ?? "{}"}\n`;
  }
  const parts: (string | Leaf)[] = [];
  compile.flat(format, parts);
  parts.push("\n");
  return joined(parts);
}

/** Keys and braces between two values are one literal. */
function joined(parts: readonly (string | Leaf)[]): Formatter {
  const fields: Field[] = [];
  let first = "";
  for (const part of parts) {
    const last = fields[fields.length - 1];
    if (typeof part !== "string") fields.push(new Field(part));
    else if (last === undefined) first += part;
    else last.literal += part;
  }
  return (info) => {
    let line = first;
    for (let i = 0; i < fields.length; i++) line += (fields[i] as Field).write(info);
    return line;
  };
}

/** A value as an operator reads it, and its JSON. */
interface Leaf {
  readonly read: (info: StreamInfo) => Json | undefined;
  readonly show: (value: Json | undefined) => string;
}

/** A value and the literal behind it. Most values are those of the line before: cluster, addresses, code, protocol. */
class Field {
  literal = "";
  readonly #leaf: Leaf;
  #value: Json | undefined;
  #text = "";

  constructor(leaf: Leaf) {
    this.#leaf = leaf;
  }

  write(info: StreamInfo): string {
    const value = this.#leaf.read(info);
    if (value === this.#value && this.#text !== "") return this.#text;
    this.#value = value;
    this.#text = this.#leaf.show(value) + this.literal;
    return this.#text;
  }
}

class Compile {
  readonly #absent: string;
  readonly #environment: FormatEnvironment;

  constructor(options: JsonFormatOptions, environment: FormatEnvironment) {
    this.#absent = options.omitEmptyValues ? "" : "-";
    this.#environment = environment;
  }

  /** Literal JSON and value writers in order. */
  flat(value: unknown, parts: (string | Leaf)[]): void {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        parts.push(index === 0 ? "[" : ",");
        within(`[${index}]`, () => this.flat(item, parts));
      }
      parts.push(value.length === 0 ? "[]" : "]");
    } else if (typeof value === "object" && value !== null) {
      const fields = sortedFields(value);
      for (const [index, [key, child]] of fields.entries()) {
        parts.push(`${index === 0 ? "{" : ","}${quote(key)}:`);
        within(key, () => this.flat(child, parts));
      }
      parts.push(fields.length === 0 ? "{}" : "}");
    } else {
      parts.push(this.#leaf(value));
    }
  }

  /** As `flat`, but what is null, and objects left without fields, go. */
  omitting(value: unknown): ValueWriter {
    if (Array.isArray(value)) {
      const items = value.map((item, index) => within(`[${index}]`, () => this.omitting(item)));
      return (info) => `[${present(items, info).join(",")}]`;
    }
    if (typeof value === "object" && value !== null) {
      const fields = sortedFields(value).map(([key, child]) => {
        const write = within(key, () => this.omitting(child));
        const name = `${quote(key)}:`;
        return (info: StreamInfo) => {
          const written = write(info);
          return written === undefined ? undefined : name + written;
        };
      });
      return (info) => {
        const written = present(fields, info);
        return written.length === 0 ? undefined : `{${written.join(",")}}`;
      };
    }
    const leaf = this.#leaf(value);
    if (typeof leaf === "string") return leaf === "null" ? () => undefined : () => leaf;
    const { read, show } = leaf;
    return (info) => {
      const found = read(info);
      return found === undefined ? undefined : show(found);
    };
  }

  /** Literal JSON, or what writes it. */
  #leaf(value: unknown): string | Leaf {
    if (value === null || value === undefined) return "null";
    if (typeof value === "number") return jsonNumber(value);
    if (typeof value === "boolean") return String(value);
    if (typeof value !== "string") throw refuse("", `a ${typeof value} is not a JSON value`);
    const pieces = parseFormat(value).map((piece) =>
      typeof piece === "string" ? piece : compileOperator(piece, this.#environment),
    );
    const only = pieces[0];
    if (only === undefined) return '""';
    if (pieces.length > 1) return this.#mixed(pieces);
    return typeof only === "string" ? quote(only) : typed(only);
  }

  #mixed(pieces: readonly (string | Operator)[]): Leaf {
    const absent = this.#absent;
    const readers = pieces.map((piece) =>
      typeof piece === "string" ? () => piece : textOf(piece),
    );
    const read = (info: StreamInfo): string => {
      let text = "";
      for (let i = 0; i < readers.length; i++) text += readers[i]?.(info) ?? absent;
      return text;
    };
    return { read, show: showText };
  }
}

function present(writers: readonly ValueWriter[], info: StreamInfo): string[] {
  const written: string[] = [];
  for (const write of writers) {
    const text = write(info);
    if (text !== undefined) written.push(text);
  }
  return written;
}

/** Envoy prints keys in the order of their bytes. */
function sortedFields(value: object): [string, unknown][] {
  const fields = Object.entries(value).map(([key, child]): [string, unknown] => [
    toByteString(key),
    child,
  ]);
  return fields.sort(([a], [b]) => (a < b ? -1 : 1));
}

function typed(operator: Operator): Leaf {
  const { read } = operator;
  switch (operator.kind) {
    case "number":
      return { read, show: showNumber };
    case "json":
      return { read, show: showJson };
    case "string":
      return { read, show: showText };
  }
}

// Proofs: an operator of a kind reads values of that kind, or none.
function showText(value: Json | undefined): string {
  return value === undefined ? "null" : quote(value as string);
}

function showNumber(value: Json | undefined): string {
  return value === undefined ? "null" : String(value as number);
}

function showJson(value: Json | undefined): string {
  return value === undefined ? "null" : sortedJson(value);
}

const special = /["\\\0-\x1f\x80-\xff]/;
const beyondAscii = /[\x80-\xff]/;
const everySpecial = /["\\\0-\x1f\x80-\xff]/g;

/** A byte string as JSON text. Bytes that are not UTF-8 become \u00XX each, and then so does everything else that is special. */
export function quote(bytes: string): string {
  if (!special.test(bytes)) return `"${bytes}"`;
  // JSON.stringify leaves characters of 0x80 and above alone, so valid UTF-8 goes out byte by byte as it came.
  if (!beyondAscii.test(bytes) || isUtf8(Buffer.from(bytes, "latin1")))
    return JSON.stringify(bytes);
  return `"${bytes.replace(everySpecial, escapeByte)}"`;
}

function escapeByte(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
