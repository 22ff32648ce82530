import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { BodyFormat } from "../access-log/formatter.ts";
import type { HashPolicy } from "../balancer/hash-policy.ts";
import type { MetadataMatch } from "../balancer/metadata-match.ts";
import type { RouteRateLimits } from "../rate-limit/rate-limits.ts";
import type { Metadata, StreamInfo } from "../stream-info.ts";
import type { MirrorPolicy } from "./mirror-policy.ts";
import type { RequestTally } from "./request-stats.ts";
import type { RetryPolicy } from "./retry-policy.ts";

/** What the matcher may look at. `draw` in [0,1) is the request's random number for fractions and weights. */
export interface RouteInput {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  readonly draw: number;
}

/** Header changes of a route, its virtual host, … compiled into one pass each way. */
export interface HeaderChanges {
  request(head: RequestHead, info: StreamInfo): void;
  response(head: ResponseHead, info: StreamInfo): void;
  readonly changesRequest: boolean;
  readonly changesResponse: boolean;
}

export interface RouteCommon {
  readonly name: string;
  readonly virtualHostName: string;
  readonly metadata: Metadata | undefined;
  readonly virtualHostMetadata: Metadata | undefined;
  /** Undefined when nothing changes. */
  readonly headers: HeaderChanges | undefined;
  /** Per-filter configuration as the factories compiled it, least specific first; `disabled` by FilterConfig. */
  filterConfigs(filterName: string): readonly unknown[];
  /** true/false when a FilterConfig or a `disabled` says so, undefined otherwise. */
  filterDisabled(filterName: string): boolean | undefined;
  /** No route of this configuration has per-filter configuration: skip the question. */
  readonly hasFilterConfigs: boolean;
}

export interface ForwardAction extends RouteCommon {
  readonly kind: "forward";
  /** The cluster for this request: fixed, by header or by weight ("" when a header names none). Weighted entries carry their own RouteCommon parts. */
  readonly clusterName: string;
  /** 503 unless configured. */
  readonly clusterNotFoundStatus: number;
  readonly timeoutMs: number;
  /** Route's stream idle timeout; undefined: the connection manager's. */
  readonly idleTimeoutMs: number | undefined;
  /** `max_stream_duration`, in whose presence `timeout` does not count. */
  readonly streamDuration: StreamDuration | undefined;
  /** `max_grpc_timeout`: of gRPC calls grpc-timeout is the timeout; undefined where `max_stream_duration` is. */
  readonly grpcTimeout: GrpcTimeout | undefined;
  readonly priority: "DEFAULT" | "HIGH";
  readonly requestBodyBufferLimit: number | undefined;
  /** Older: it may only lower the connection's. */
  readonly perRequestBufferLimit: number | undefined;
  /** Path, host and header rewrites, in Envoy's order; sets x-envoy-original-path. Undefined: nothing to rewrite. */
  readonly rewrite: ((head: RequestHead, info: StreamInfo) => void) | undefined;
  /** Host rewrite to the picked endpoint's hostname. */
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  readonly includeAttemptCountRequest: boolean;
  readonly includeAttemptCountResponse: boolean;
  /** upgrade type in lower case → enabled here; undefined: the connection manager decides. */
  upgradeEnabled(type: string): boolean | undefined;
  /** For CONNECT routes with connect_config: terminate and forward payload as raw TCP. */
  readonly connectTerminate: boolean;
  readonly internalRedirect: InternalRedirect | undefined;
  /** The route's own, else its virtual host's. */
  readonly retryPolicy: RetryPolicy | undefined;
  readonly hedgeOnPerTryTimeout: boolean;
  /** x-envoy-is-timeout-retry on attempts after the first. */
  readonly includeIsTimeoutRetry: boolean;
  readonly mirrors: readonly MirrorPolicy[];
  /** For balancers that hash. */
  readonly hashPolicy: HashPolicy | undefined;
  /** For clusters with subsets: the route's and its weighted cluster's. */
  readonly metadataMatch: MetadataMatch | undefined;
  /** Virtual cluster and `stat_prefix`; undefined when there are neither. */
  readonly tally: ((head: RequestHead) => RequestTally) | undefined;
  /** Undefined when neither the route nor its virtual host has any. */
  readonly rateLimits: RouteRateLimits | undefined;
}

export interface GrpcTimeout {
  /** 0: no cap. */
  readonly maxMs: number;
  readonly offsetMs: number;
}

export interface StreamDuration {
  /** Undefined: the connection manager's; 0: none. */
  readonly maxMs: number | undefined;
  /** Undefined: grpc-timeout is not asked; 0: no cap. */
  readonly headerMaxMs: number | undefined;
  readonly headerOffsetMs: number;
}

export interface InternalRedirect {
  readonly maxRedirects: number;
  readonly codes: ReadonlySet<number>;
  readonly allowCrossScheme: boolean;
  readonly responseHeadersToCopy: readonly string[];
  /** Predicates: previous_routes, allow_listed_routes, safe_cross_scheme. */
  allows(input: {
    readonly targetName: string;
    /** This policy's route has redirected to the target before. */
    readonly taken: boolean;
    readonly downstreamSecure: boolean;
    readonly targetSecure: boolean;
  }): boolean;
}

export interface DirectAction extends RouteCommon {
  readonly kind: "direct";
  readonly status: number;
  readonly body: string | undefined;
  readonly bodyFormat: BodyFormat | undefined;
}

export interface RedirectAction extends RouteCommon {
  readonly kind: "redirect";
  readonly status: number;
  location(head: RequestHead, info: StreamInfo): string;
}

/** filter_action / non_forwarding_action: some filter must answer. */
export interface NoAction extends RouteCommon {
  readonly kind: "none";
}

export type Route = ForwardAction | DirectAction | RedirectAction | NoAction;

/** A compiled RouteConfiguration: pure, no sockets; also run by `explain` and route tests. */
export interface RouteTable {
  readonly name: string;
  match(input: RouteInput): Route | undefined;
  readonly internalOnlyHeaders: readonly string[];
  /** Only where the request's scope chooses the table: that table. */
  scoped?(head: RequestHead): RouteTable | undefined;
}
