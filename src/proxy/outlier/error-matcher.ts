import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { MatchPredicateJson } from "#gen/envoy/config/common/matcher/v3/matcher_pb.js";
import type { HttpProtocolOptionsJson } from "#gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import {
  compileHeaderMatchers,
  type HeaderPredicate,
  type MatchedMessage,
} from "../matching/header-matcher.ts";

const optionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/** Which answers are errors, where the cluster's HTTP options say so; undefined: those of 5xx. Throws ConfigError. */
export function compileErrorMatcher(cluster: ClusterJson): HeaderPredicate | undefined {
  // Proof: the reader checked what stands under this key.
  const options = cluster.typedExtensionProtocolOptions?.[optionsKey] as
    | HttpProtocolOptionsJson
    | undefined;
  const matcher = options?.outlierDetection?.errorMatcher;
  if (matcher === undefined) return undefined;
  return within(`${optionsKey}.outlier_detection.error_matcher`, () => compile(matcher));
}

function compile(config: MatchPredicateJson): HeaderPredicate {
  const { orMatch, andMatch, notMatch, anyMatch, httpResponseHeadersMatch } = config;
  if (orMatch !== undefined) {
    const rules = compileEach("or_match.rules", orMatch.rules, compile);
    return (message) => rules.some((rule) => rule(message));
  }
  if (andMatch !== undefined) return every(compileEach("and_match.rules", andMatch.rules, compile));
  if (notMatch !== undefined) {
    const rule = within("not_match", () => compile(notMatch));
    return (message) => !rule(message);
  }
  if (httpResponseHeadersMatch !== undefined)
    return within("http_response_headers_match", () =>
      every(compileHeaderMatchers(httpResponseHeadersMatch.headers)),
    );
  if (anyMatch === undefined) throw refuse("rule", "is required");
  return () => true;
}

function every(rules: readonly HeaderPredicate[]): HeaderPredicate {
  return (message: MatchedMessage) => rules.every((rule) => rule(message));
}
