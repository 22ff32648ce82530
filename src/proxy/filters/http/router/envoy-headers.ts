import type { HeaderList } from "#http/headers.ts";
import { splitWords } from "../../../route/retry-policy.ts";

/** What a trusted request asks of the router; requests from outside have lost these headers in the connection manager. */
export interface EnvoyRequestHeaders {
  readonly retryOn: string | undefined;
  readonly retryGrpcOn: string | undefined;
  readonly maxRetries: number | undefined;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaderNames: readonly string[];
  readonly timeout: string | undefined;
  readonly perTryTimeout: string | undefined;
  readonly hedgeOnPerTryTimeout: boolean | undefined;
  readonly alternativeTimeoutStatus: boolean;
}

const names: ReadonlySet<string> = new Set([
  "x-envoy-retry-on",
  "x-envoy-retry-grpc-on",
  "x-envoy-max-retries",
  "x-envoy-retriable-status-codes",
  "x-envoy-retriable-header-names",
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-hedge-on-per-try-timeout",
]);

/** Reads and removes them: they are for this router, not for the next. Undefined: there are none, as nearly always. */
export function takeEnvoyHeaders(headers: HeaderList): EnvoyRequestHeaders | undefined {
  const { list } = headers;
  let any = false;
  for (let i = 0; i < list.length && !any; i += 2) {
    const name = list[i] as string;
    any = name.startsWith("x-envoy-") && names.has(name);
  }
  if (!any) return undefined;
  const hedge = headers.get("x-envoy-hedge-on-per-try-timeout");
  const asked: EnvoyRequestHeaders = {
    retryOn: headers.get("x-envoy-retry-on"),
    retryGrpcOn: headers.get("x-envoy-retry-grpc-on"),
    maxRetries: wholeNumber(headers.get("x-envoy-max-retries")),
    retriableStatusCodes: splitWords(headers.get("x-envoy-retriable-status-codes") ?? "")
      .map((word) => wholeNumber(word) ?? 0)
      .filter((code) => code > 0),
    retriableHeaderNames: splitWords(headers.get("x-envoy-retriable-header-names") ?? ""),
    timeout: headers.get("x-envoy-upstream-rq-timeout-ms"),
    perTryTimeout: headers.get("x-envoy-upstream-rq-per-try-timeout-ms"),
    hedgeOnPerTryTimeout: hedge === undefined ? undefined : hedge === "true",
    alternativeTimeoutStatus: headers.has("x-envoy-upstream-rq-timeout-alt-response"),
  };
  headers.removeIf((name) => names.has(name));
  return asked;
}

/** Decimal digits only; undefined for anything else. */
export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
