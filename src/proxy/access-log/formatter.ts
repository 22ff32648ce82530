import type { SubstitutionFormatStringJson } from "#gen/envoy/config/core/v3/substitution_format_string_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { Formatter } from "./access-log.ts";
import { compileFormatters } from "./formatter-extensions.ts";
import { compileJsonFormat } from "./json-format.ts";
import { type FormatEnvironment, type Operator, systemEnvironment } from "./operator.ts";
import { compileOperator, textOf } from "./operators.ts";
import { parseFormat } from "./parse-format.ts";

/** What stands for an operator without value: `-` in log text and bodies, nothing in header values. */
export interface FormatRules {
  readonly absent: string;
}

export const logRules: FormatRules = { absent: "-" };
export const headerRules: FormatRules = { absent: "" };

export const defaultLogFormat: string =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Text with `%OPERATORS%` to a function of the stream. Throws ConfigError. The result is a byte string (latin1). */
export function compileFormat(
  format: string,
  rules: FormatRules,
  environment: FormatEnvironment = systemEnvironment,
): Formatter {
  const pieces = parseFormat(format).map((piece) =>
    typeof piece === "string" ? piece : safeText(compileOperator(piece, environment)),
  );
  const only = pieces[0];
  if (only === undefined) return () => "";
  if (pieces.length === 1 && typeof only === "string") return () => only;
  return joined(pieces, rules.absent);
}

type TextReader = (info: StreamInfo) => string | undefined;

/** Literal, operator, literal, operator, … literal: one loop over two arrays, no test of what a piece is. */
function joined(pieces: readonly (string | TextReader)[], absent: string): Formatter {
  const readers: TextReader[] = [];
  const literals: string[] = [""];
  for (const piece of pieces) {
    if (typeof piece === "string") literals[literals.length - 1] += piece;
    else {
      readers.push(piece);
      literals.push("");
    }
  }
  const first = literals.shift() ?? "";
  return (info) => {
    let line = first;
    for (let i = 0; i < readers.length; i++) {
      line += (readers[i]?.(info) ?? absent) + literals[i];
    }
    return line;
  };
}

const control = /[\0-\x08\x0a-\x1f\x7f]/;
const everyControl = /[\0-\x08\x0a-\x1f\x7f]/g;

/**
 * Header values hold no control characters, but decoded query parameters and names in certificates may: Envoy writes them as they
 * are, and a client can forge a log line or a header with `?q=%0a`. Here they become `\x0a`.
 */
function safeText(operator: Operator): TextReader {
  const read = textOf(operator);
  if (operator.kind === "number" || (operator.kind === "string" && operator.untrusted !== true))
    return read;
  return (info) => {
    const value = read(info);
    return value !== undefined && control.test(value)
      ? value.replace(everyControl, escapeControl)
      : value;
  };
}

function escapeControl(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

export function compileTextFormat(format: string, environment?: FormatEnvironment): Formatter {
  return compileFormat(format, logRules, environment);
}

/** The value of a header to add: what is absent is the empty string. */
export function compileHeaderFormat(format: string, environment?: FormatEnvironment): Formatter {
  return compileFormat(format, headerRules, environment);
}

/** A format and the content type it stands for (local replies). JSON lines end with a newline, text as it is written. */
export interface BodyFormat {
  readonly format: Formatter;
  readonly contentType: string;
}

export function compileSubstitutionFormatString(
  config: SubstitutionFormatStringJson,
  base: FormatEnvironment = systemEnvironment,
): BodyFormat {
  const { formatters } = config;
  const environment =
    formatters === undefined ? base : { ...base, extensions: compileFormatters(formatters) };
  const omitEmptyValues = config.omitEmptyValues === true;
  const { jsonFormat } = config;
  if (jsonFormat !== undefined) {
    return {
      format: within("json_format", () =>
        compileJsonFormat(jsonFormat, { omitEmptyValues }, environment),
      ),
      contentType: config.contentType || "application/json",
    };
  }
  const rules = omitEmptyValues ? headerRules : logRules;
  const { textFormatSource, textFormat } = config;
  const path = textFormatSource === undefined ? "text_format" : "text_format_source";
  const format = textFormatSource === undefined ? textFormat : dataSourceText(textFormatSource);
  if (format === undefined) throw refuse("", "a format is required");
  return {
    format: within(path, () => compileFormat(format, rules, environment)),
    contentType: config.contentType || "text/plain",
  };
}

type DataSource = NonNullable<SubstitutionFormatStringJson["textFormatSource"]>;

/** Inline data; files and environment variables are read where configuration is loaded, which leaves them inline. */
export function dataSourceText(source: DataSource): string {
  if (source.inlineString !== undefined) return source.inlineString;
  if (source.inlineBytes !== undefined)
    return Buffer.from(source.inlineBytes, "base64").toString("utf8");
  throw refuse("", "only inline_string and inline_bytes are supported");
}
