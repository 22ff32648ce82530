import type {
  Http1ProtocolOptionsJson,
  HttpProtocolOptionsJson,
} from "#gen/envoy/config/core/v3/protocol_pb.js";
import type { NameCase } from "#http/h1/encode.ts";
import { refuse } from "#lib/config-error.ts";

/** `header_key_format`: lower case, or proper_case_words; formatters that keep the received case are refused. */
export function compileNameCase(options: Http1ProtocolOptionsJson | undefined): NameCase {
  const format = options?.headerKeyFormat;
  if (format === undefined) return "lower";
  if (format.properCaseWords !== undefined) return "proper";
  throw refuse("header_key_format", "only proper_case_words is supported");
}

/** `max_headers_count`, 100 by default. */
export function fieldsMax(options: HttpProtocolOptionsJson | undefined): number {
  return options?.maxHeadersCount ?? 100;
}
