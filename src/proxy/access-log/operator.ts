import { hostname } from "node:os";
import { env } from "node:process";
import { type Clock, systemClock } from "#lib/clock.ts";
import { type Random, systemRandom } from "#lib/random.ts";
import type { Json, StreamInfo } from "../stream-info.ts";

/**
 * What one `%…%` reads. Strings are byte strings (one character a byte). `untrusted`: may hold control characters that a peer
 * chose (decoded query parameters, certificates), which text escapes so that nobody forges a log line or a header.
 */
export type Operator =
  | {
      readonly kind: "string";
      readonly untrusted?: boolean;
      readonly read: (info: StreamInfo) => string | undefined;
    }
  | { readonly kind: "number"; readonly read: (info: StreamInfo) => number | undefined }
  | { readonly kind: "json"; readonly read: (info: StreamInfo) => Json | undefined };

export interface OperatorSpec {
  readonly parameter: "none" | "optional" | "required";
  /** Whether `:Z` may follow. */
  readonly length: boolean;
  readonly compile: (parameter: string, environment: FormatEnvironment) => Operator;
}

export type OperatorTable = Readonly<Record<string, OperatorSpec>>;

/** What operators read besides the stream. */
export interface FormatEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly hostname: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What a format's `formatters` bring. */
  readonly extensions?: OperatorTable;
}

export const systemEnvironment: FormatEnvironment = {
  clock: systemClock,
  random: systemRandom,
  hostname: hostname(),
  variables: env,
};

/** An operator without parameter that reads text. */
export function text(read: (info: StreamInfo) => string | undefined): OperatorSpec {
  const operator: Operator = { kind: "string", read };
  return { parameter: "none", length: false, compile: () => operator };
}

export function untrustedText(read: (info: StreamInfo) => string | undefined): OperatorSpec {
  const operator: Operator = { kind: "string", untrusted: true, read };
  return { parameter: "none", length: false, compile: () => operator };
}

export function number(read: (info: StreamInfo) => number | undefined): OperatorSpec {
  const operator: Operator = { kind: "number", read };
  return { parameter: "none", length: false, compile: () => operator };
}

/** Accepted as Envoy accepts it; has no value in what is built so far. */
export function never(parameter: OperatorSpec["parameter"] = "none"): OperatorSpec {
  const operator: Operator = { kind: "string", read: () => undefined };
  return { parameter, length: parameter !== "none", compile: () => operator };
}

/** undefined for "". */
export function some(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
