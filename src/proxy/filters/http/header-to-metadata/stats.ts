import type { Counter, StatsScope } from "../../../stats/stats.ts";

/** What a direction's rules count. */
export class RuleStats {
  readonly rulesProcessed: Counter;
  readonly metadataAdded: Counter;
  readonly headerNotFound: Counter;
  readonly base64DecodeFailed: Counter;
  readonly headerValueTooLong: Counter;
  readonly regexSubstitutionFailed: Counter;

  constructor(scope: StatsScope, direction: "request" | "response") {
    this.rulesProcessed = scope.counter(`${direction}_rules_processed`);
    this.metadataAdded = scope.counter(`${direction}_metadata_added`);
    this.headerNotFound = scope.counter(`${direction}_header_not_found`);
    this.base64DecodeFailed = scope.counter("base64_decode_failed");
    this.headerValueTooLong = scope.counter("header_value_too_long");
    this.regexSubstitutionFailed = scope.counter("regex_substitution_failed");
  }
}
