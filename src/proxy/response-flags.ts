/** Envoy's response flags as bits of one number, in the order in which Envoy prints them. */
export const ResponseFlag = {
  failedLocalHealthCheck: 1 << 0,
  noHealthyUpstream: 1 << 1,
  upstreamRequestTimeout: 1 << 2,
  localReset: 1 << 3,
  upstreamRemoteReset: 1 << 4,
  upstreamConnectionFailure: 1 << 5,
  upstreamConnectionTermination: 1 << 6,
  upstreamOverflow: 1 << 7,
  noRouteFound: 1 << 8,
  delayInjected: 1 << 9,
  faultInjected: 1 << 10,
  rateLimited: 1 << 11,
  unauthorizedExternalService: 1 << 12,
  rateLimitServiceError: 1 << 13,
  downstreamConnectionTermination: 1 << 14,
  upstreamRetryLimitExceeded: 1 << 15,
  streamIdleTimeout: 1 << 16,
  invalidEnvoyRequestHeaders: 1 << 17,
  downstreamProtocolError: 1 << 18,
  upstreamMaxStreamDurationReached: 1 << 19,
  responseFromCacheFilter: 1 << 20,
  noFilterConfigFound: 1 << 21,
  durationTimeout: 1 << 22,
  upstreamProtocolError: 1 << 23,
  noClusterFound: 1 << 24,
  overloadManager: 1 << 25,
  dnsResolutionFailed: 1 << 26,
  dropOverload: 1 << 27,
  downstreamRemoteReset: 1 << 28,
  unconditionalDropOverload: 1 << 29,
} as const;

/** [short, long] by bit position. */
export const flagNames: readonly (readonly [string, string])[] = [
  ["LH", "FailedLocalHealthCheck"],
  ["UH", "NoHealthyUpstream"],
  ["UT", "UpstreamRequestTimeout"],
  ["LR", "LocalReset"],
  ["UR", "UpstreamRemoteReset"],
  ["UF", "UpstreamConnectionFailure"],
  ["UC", "UpstreamConnectionTermination"],
  ["UO", "UpstreamOverflow"],
  ["NR", "NoRouteFound"],
  ["DI", "DelayInjected"],
  ["FI", "FaultInjected"],
  ["RL", "RateLimited"],
  ["UAEX", "UnauthorizedExternalService"],
  ["RLSE", "RateLimitServiceError"],
  ["DC", "DownstreamConnectionTermination"],
  ["URX", "UpstreamRetryLimitExceeded"],
  ["SI", "StreamIdleTimeout"],
  ["IH", "InvalidEnvoyRequestHeaders"],
  ["DPE", "DownstreamProtocolError"],
  ["UMSDR", "UpstreamMaxStreamDurationReached"],
  ["RFCF", "ResponseFromCacheFilter"],
  ["NFCF", "NoFilterConfigFound"],
  ["DT", "DurationTimeout"],
  ["UPE", "UpstreamProtocolError"],
  ["NC", "NoClusterFound"],
  ["OM", "OverloadManagerTerminated"],
  ["DF", "DnsResolutionFailed"],
  ["DO", "DropOverload"],
  ["DR", "DownstreamRemoteReset"],
  ["UDO", "UnconditionalDropOverload"],
];

/** `UF,URX`, or `-` when none is set. */
export function flagsText(flags: number): string {
  return join(flags, 0);
}

export function flagsLongText(flags: number): string {
  return join(flags, 1);
}

function join(flags: number, form: 0 | 1): string {
  if (flags === 0) return "-";
  const names: string[] = [];
  for (const [bit, pair] of flagNames.entries()) if ((flags & (1 << bit)) !== 0) names.push(pair[form]);
  return names.join(",");
}
