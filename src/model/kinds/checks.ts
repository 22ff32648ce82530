/** Checks of single values, for every kind: undefined, or what is wrong. */
import { STATUS_CODES } from "node:http";
import { RE2JS } from "re2js";
import { parseProtocol } from "../protocol.ts";
import type { Report } from "./report.ts";

export function portProblem(port: number | undefined): string | undefined {
  if (port !== undefined && port >= 1 && port <= 65_535) return undefined;
  return port === undefined ? "is required" : `${port} is not a port between 1 and 65535`;
}

/** Istio takes milliseconds, and nothing below one. */
export function durationProblem(duration: string | undefined): string | undefined {
  if (duration === undefined) return undefined;
  if (nanosOf(duration) < 1_000_000n) return `${duration} is less than 1ms`;
  return precisionProblem(duration);
}

export function precisionProblem(duration: string): string | undefined {
  if (nanosOf(duration) % 1_000_000n === 0n) return undefined;
  return `${duration} is more exact than milliseconds`;
}

/** Of ProtoJSON's form, which decoding has made. */
export function nanosOf(duration: string): bigint {
  const [seconds = "0", fraction = ""] = duration.slice(0, -1).split(".");
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0") || 0);
}

/** RE2's patterns; longer ones are too much work for every call. */
const patternLengthMax = 1024;

export function patternProblem(pattern: string): string | undefined {
  if (pattern === "") return "must not be empty";
  if (pattern.length > patternLengthMax) {
    return `is longer than ${patternLengthMax} characters`;
  }
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `is not a regular expression of RE2: ${why}`;
  }
}

/** ProtoJSON's doubles. */
export type Double = number | "NaN" | "Infinity" | "-Infinity";

export function percentProblem(value: Double | undefined): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "number" && value >= 0 && value <= 100
    ? undefined
    : `${value} is not between 0 and 100`;
}

const headerName = /^[-_A-Za-z0-9]+$/;

export function headerNameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  return headerName.test(name) ? undefined : `"${name}" is not a header's name`;
}

/** Of a port in a rule; nothing means that the proxy finds it out. */
export function protocolProblem(protocol: string | undefined): string | undefined {
  if (protocol === undefined || protocol === "") return undefined;
  if (parseProtocol(protocol) !== undefined) return undefined;
  return `"${protocol}" is none of HTTP, HTTP2, HTTPS, GRPC, GRPC-WEB, TLS, TCP, MONGO, REDIS, MYSQL, UDP`;
}

export function statusProblem(status: number | undefined): string | undefined {
  if (status === undefined) return "is required";
  return status >= 200 && status <= 599 ? undefined : `${status} is not between 200 and 599`;
}

export function isKnownStatus(text: string): boolean {
  return /^\d{3}$/.test(text) && STATUS_CODES[text] !== undefined;
}

export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

/** More of the list than one: every entry after the first of its kind is named. */
export function reportDuplicates<T>(
  report: Report,
  items: readonly T[],
  { key, message }: { key: (item: T) => string | undefined; message: (key: string) => string },
): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const name = key(item);
    if (name === undefined) continue;
    if (seen.has(name)) report.at(index).problem(message(name));
    seen.add(name);
  }
}
