/** Envoy's response flags as bits of one number. */
export const ResponseFlag = {
  failedLocalHealthCheck: 0x1,
  noHealthyUpstream: 0x2,
  upstreamRequestTimeout: 0x4,
  localReset: 0x8,
  upstreamRemoteReset: 0x10,
  upstreamConnectionFailure: 0x20,
  upstreamConnectionTermination: 0x40,
  upstreamOverflow: 0x80,
  noRouteFound: 0x100,
  delayInjected: 0x200,
  faultInjected: 0x400,
  rateLimited: 0x800,
  unauthorizedExternalService: 0x1000,
  rateLimitServiceError: 0x2000,
  downstreamConnectionTermination: 0x4000,
  upstreamRetryLimitExceeded: 0x8000,
  streamIdleTimeout: 0x10000,
  invalidEnvoyRequestHeaders: 0x20000,
  downstreamProtocolError: 0x40000,
  upstreamMaxStreamDurationReached: 0x80000,
  responseFromCacheFilter: 0x100000,
  noFilterConfigFound: 0x200000,
  durationTimeout: 0x400000,
  upstreamProtocolError: 0x800000,
  noClusterFound: 0x1000000,
  overloadManager: 0x2000000,
  dnsResolutionFailed: 0x4000000,
  dropOverload: 0x8000000,
  downstreamRemoteReset: 0x10000000,
  unconditionalDropOverload: 0x20000000,
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

/** `UF,URX`, or `-` when none is set; `first` comes first. */
export function flagsText(flags: number, first: number): string {
  return join(flags, first, 0);
}

export function flagsLongText(flags: number, first: number): string {
  return join(flags, first, 1);
}

function join(flags: number, first: number, form: 0 | 1): string {
  if (flags === 0) return "-";
  return [...names(flags & first, form), ...names(flags & ~first, form)].join(",");
}

function names(flags: number, form: 0 | 1): string[] {
  return flagNames.filter((_, bit) => (flags & (1 << bit)) !== 0).map((pair) => pair[form]);
}
