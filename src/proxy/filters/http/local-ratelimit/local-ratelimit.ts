import { GrpcCode } from "#grpc/status.ts";
import { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { DescriptorSource } from "../../../rate-limit/actions.ts";
import type { Bucket } from "../../../rate-limit/buckets.ts";
import type { RateLimit } from "../../../rate-limit/rate-limits.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import { type Additions, applyAdditions } from "../../../route/header-changes.ts";
import type { Route } from "../../../route/route.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { DownstreamInfo } from "../../../stream-info.ts";
import type { HttpFilter, HttpStream, LocalReply, Verdict } from "../filter.ts";
import type { Descriptor, Limiter } from "./limiter.ts";

/** Of the filter or of a route. */
export interface LocalLimit {
  readonly enabled: () => boolean;
  readonly enforced: () => boolean;
  readonly limiter: Limiter;
  /** Makes a limiter of its own for each connection; undefined: `limiter` is for all. */
  readonly ofConnection: (() => Limiter) | undefined;
  readonly asksDescriptors: boolean;
  /** The filter's own rate limits, in whose presence those of routes do not count. */
  readonly rateLimits: readonly RateLimit[];
  readonly stage: number;
  readonly virtualHosts: "OVERRIDE" | "INCLUDE" | "IGNORE";
  readonly status: number;
  readonly resourceExhausted: boolean;
  readonly requestAdditions: Additions;
  readonly responseAdditions: Additions;
  /** x-ratelimit-*: the client is told. */
  readonly reports: boolean;
  readonly stats: LocalLimitStats;
}

export interface LocalLimitStats {
  readonly enabled: Counter;
  readonly ok: Counter;
  readonly limited: Counter;
  readonly enforced: Counter;
}

/** As in Envoy, a connection has one limiter: that of the configuration that asked first. */
const connectionLimiters = new WeakMap<DownstreamInfo, Limiter>();
const none: readonly Descriptor[] = [];

/** A request costs tokens of the buckets that its descriptors name; without them it is refused. */
export class LocalRateLimitFilter implements HttpFilter {
  readonly #limit: LocalLimit;
  readonly #name: string;
  /** Whose state the client is told. */
  #reported: Bucket | undefined = undefined;

  constructor(limit: LocalLimit, name: string) {
    this.#limit = limit;
    this.#name = name;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const limit = this.#limitOf(stream);
    if (!limit.enabled()) return "continue";
    const { stats, reports } = limit;
    stats.enabled.inc();
    const descriptors = limit.asksDescriptors ? describe(stream, head, limit) : none;
    const { allowed, bucket } = limiterOf(stream, limit).decide(descriptors);
    if (reports) this.#reported = bucket;
    if (allowed) {
      stats.ok.inc();
      return "continue";
    }
    stats.limited.inc();
    if (!limit.enforced()) {
      applyAdditions(limit.requestAdditions, head.headers, stream.info);
      return "continue";
    }
    stats.enforced.inc();
    stream.reply(refusal(stream, limit));
    return "park";
  }

  onResponseHead(_stream: HttpStream, { headers }: ResponseHead): Verdict {
    const bucket = this.#reported;
    if (bucket === undefined) return "continue";
    headers.add("x-ratelimit-limit", String(bucket.tokensMax));
    headers.add("x-ratelimit-remaining", String(bucket.available));
    headers.add("x-ratelimit-reset", String(Math.ceil(bucket.msUntil(1) / 1000)));
    return "continue";
  }

  #limitOf(stream: HttpStream): LocalLimit {
    if (stream.route?.hasFilterConfigs !== true) return this.#limit;
    return stream.routeConfig<LocalLimit>(this.#name) ?? this.#limit;
  }
}

function limiterOf(stream: HttpStream, { limiter, ofConnection }: LocalLimit): Limiter {
  if (ofConnection === undefined) return limiter;
  const { downstream } = stream.info;
  const known = connectionLimiters.get(downstream);
  if (known !== undefined) return known;
  const made = ofConnection();
  connectionLimiters.set(downstream, made);
  return made;
}

function refusal({ info }: HttpStream, limit: LocalLimit): LocalReply {
  const headers = new HeaderList();
  applyAdditions(limit.responseAdditions, headers, info);
  return {
    status: limit.status,
    body: "local_rate_limited",
    details: "local_rate_limited",
    flags: ResponseFlag.rateLimited,
    headers: [...headers],
    ...(limit.resourceExhausted ? { grpcStatus: GrpcCode.resourceExhausted } : {}),
  };
}

function describe(stream: HttpStream, head: RequestHead, limit: LocalLimit): readonly Descriptor[] {
  const { route } = stream;
  const found: Descriptor[] = [];
  const source: DescriptorSource = {
    head,
    info: stream.info,
    cluster: route?.kind === "forward" ? route.clusterName : undefined,
  };
  if (limit.rateLimits.length > 0) {
    for (const { entries, cost } of limit.rateLimits)
      addDescriptor(found, entries(source), cost === undefined ? 1 : cost(source));
    return found;
  }
  // As in Envoy, those of routes cost 1 each, and a key that may disable one does.
  for (const list of applicable(route, limit))
    for (const { stage, disableKey, entries } of list)
      if (stage === limit.stage && disableKey === "") addDescriptor(found, entries(source), 1);
  return found;
}

function addDescriptor(
  found: Descriptor[],
  entries: Descriptor["entries"] | undefined,
  cost: number | undefined,
): void {
  if (entries !== undefined && cost !== undefined) found.push({ entries, cost });
}

/** The route's limits and those of its virtual host. */
function applicable(
  route: Route | undefined,
  { virtualHosts }: LocalLimit,
): readonly (readonly RateLimit[])[] {
  const limits = route?.kind === "forward" ? route.rateLimits : undefined;
  if (limits === undefined) return [];
  if (limits.includeVirtualHost || virtualHosts === "INCLUDE")
    return [limits.route, limits.virtualHost];
  if (virtualHosts === "IGNORE") return [limits.route];
  return limits.route.length === 0 ? [limits.virtualHost] : [limits.route];
}
