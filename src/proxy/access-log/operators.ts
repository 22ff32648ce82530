import { refuse } from "#lib/config-error.ts";
import type { Json } from "../stream-info.ts";
import type { FormatEnvironment, Operator, OperatorSpec, OperatorTable } from "./operator.ts";
import { httpOperators } from "./operators-http.ts";
import { metadataOperators } from "./operators-metadata.ts";
import { environmentOperators, streamOperators } from "./operators-stream.ts";
import { tlsOperators } from "./operators-tls.ts";
import { upstreamOperators } from "./operators-upstream.ts";
import type { Command } from "./parse-format.ts";

/** Every operator that may stand in a format, by name. */
const table: OperatorTable = {
  ...streamOperators,
  ...environmentOperators,
  ...httpOperators,
  ...upstreamOperators,
  ...tlsOperators,
  ...metadataOperators,
  COALESCE: { parameter: "required", length: true, compile: coalesce },
};

export function compileOperator(command: Command, environment: FormatEnvironment): Operator {
  const { name, parameter, length } = command;
  const spec = Object.hasOwn(table, name) ? table[name] : environment.extensions?.[name];
  if (spec === undefined) throw refuse("", `Not supported field in StreamInfo: ${name}`);
  checkShape(command, spec);
  const operator = spec.compile(parameter ?? "", environment);
  return length === undefined ? operator : truncated(operator, length);
}

function checkShape({ name, parameter, length }: Command, spec: OperatorSpec): void {
  if (spec.parameter === "none" && (parameter !== undefined || length !== undefined)) {
    throw refuse("", `${name} does not take any parameters or length`);
  }
  if (spec.parameter === "required" && (parameter === undefined || parameter === "")) {
    throw refuse("", `${name} requires parameters`);
  }
  if (!spec.length && length !== undefined) {
    throw refuse("", `${name} does not take length`);
  }
}

function truncated(operator: Operator, length: number): Operator {
  const read = textOf(operator);
  return {
    kind: "string",
    untrusted: operator.kind === "string" && operator.untrusted === true,
    read: (info) => read(info)?.slice(0, length),
  };
}

/** {"operators": ["NAME", {"command": "REQ", "param": ":authority", "max_length": 9}]}: the first that has a value. */
function coalesce(parameter: string, environment: FormatEnvironment): Operator {
  const operators = coalesceCommands(parameter).map((c) => compileOperator(c, environment));
  const readers = operators.map(textOf);
  return {
    kind: "string",
    untrusted: operators.some((operator) => operator.kind === "string" && operator.untrusted),
    read: (info) => {
      for (const read of readers) {
        const value = read(info);
        if (value !== undefined && value !== "") return value;
      }
      return undefined;
    },
  };
}

function coalesceCommands(parameter: string): Command[] {
  const parsed = parsedJson(parameter);
  const list =
    typeof parsed === "object" && parsed !== null && "operators" in parsed
      ? parsed.operators
      : undefined;
  if (!Array.isArray(list) || list.length === 0) {
    throw refuse("", "COALESCE requires a non-empty 'operators' array");
  }
  return list.map((item: unknown) => coalesceCommand(item));
}

function parsedJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // Refused by the caller, which says what was expected.
    return undefined;
  }
}

function coalesceCommand(item: unknown): Command {
  if (typeof item === "string") return { name: item, parameter: undefined, length: undefined };
  if (
    typeof item === "object" &&
    item !== null &&
    "command" in item &&
    typeof item.command === "string"
  ) {
    const parameter = "param" in item && typeof item.param === "string" ? item.param : undefined;
    const length =
      "max_length" in item && typeof item.max_length === "number" ? item.max_length : undefined;
    return { name: item.command, parameter, length };
  }
  throw refuse("", "COALESCE: an operator is a string or an object with 'command'");
}

type TextReader = (info: Parameters<Operator["read"]>[0]) => string | undefined;

/** The operator's value as bare text, not escaped. */
export function textOf(operator: Operator): TextReader {
  switch (operator.kind) {
    case "string":
      return operator.read;
    case "number": {
      const { read } = operator;
      return (info) => {
        const value = read(info);
        return value === undefined ? undefined : String(value);
      };
    }
    case "json": {
      const { read } = operator;
      return (info) => {
        const value = read(info);
        return value === undefined ? undefined : jsonText(value);
      };
    }
  }
}

/** A string as it is; anything else as JSON with sorted keys, which is what Envoy prints. */
function jsonText(value: Json): string {
  return typeof value === "string" ? toBytes(value) : sortedJson(value);
}

const toBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

export function sortedJson(value: Json): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return jsonNumber(value);
  if (typeof value === "string") return toBytes(JSON.stringify(value));
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  const fields = Object.entries(value).map(
    ([key, child]) => [toBytes(JSON.stringify(key)), child] as const,
  );
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, child]) => `${key}:${sortedJson(child)}`).join(",")}}`;
}

/** Envoy's spelling: whole numbers without exponent below 2^63, exponents of two digits. */
export function jsonNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return BigInt(value).toString();
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}
