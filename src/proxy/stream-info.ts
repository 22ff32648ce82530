import type { ByteMeter } from "#http/byte-meter.ts";
import type { HeaderList } from "#http/headers.ts";
import type { HttpVersion, RequestHead, ResponseHead } from "#http/message.ts";
import type { Address } from "#net/address.ts";
import type { TlsInfo } from "#net/connection.ts";

/** Any JSON value, as in Struct metadata. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
/** Metadata by filter namespace (core.v3.Metadata.filter_metadata). */
export type Metadata = Readonly<Record<string, { readonly [key: string]: Json }>>;

/** Where the request is to go, whatever its cluster's balancer would say. */
export interface OverrideHost {
  /** "ip:port" or a path. */
  readonly address: string;
  /** There or nowhere. */
  readonly strict: boolean;
}

/** The downstream connection's facts, shared by all its streams. */
export interface DownstreamInfo {
  readonly connectionId: number;
  /** Local address as the client meant it (restored by original_dst or PROXY protocol) and as the socket has it. */
  readonly local: Address;
  readonly directLocal: Address;
  readonly remote: Address;
  readonly directRemote: Address;
  readonly tls: TlsInfo | undefined;
  readonly requestedServerName: string | undefined;
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly listenerMetadata: Metadata | undefined;
  readonly filterChainMetadata?: Metadata | undefined;
  /** Keys of filter state that network filters have set: the requests' own filters leave them. */
  connectionStateKeys?: Set<string>;
}

/** One endpoint as logs and formatters see it. */
export interface UpstreamHostInfo {
  readonly address: Address;
  /** "ip:port" or a path. */
  readonly addressText: string;
  readonly hostname: string;
  readonly metadata: Metadata | undefined;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
}

/**
 * What is known about one HTTP stream or one TCP connection; access logs, header formatters, RBAC and filters read it.
 * Times are monotonic milliseconds with a fraction, 0 when it has not happened. A plain record, written by whoever learns the fact.
 */
export class StreamInfo {
  readonly downstream: DownstreamInfo;
  /** Wall-clock milliseconds since 1970 at the stream's start, and the same instant on the monotonic clock. */
  readonly startWallMs: number;
  readonly startMs: number;
  protocol: HttpVersion | undefined = undefined;
  /** Remote address after x-forwarded-for was weighed (HTTP) or the connection's (TCP). */
  remote: Address;
  requestHead: RequestHead | undefined = undefined;
  responseHead: ResponseHead | undefined = undefined;
  responseTrailers: HeaderList | undefined = undefined;
  /** 0 until there is one. */
  responseCode = 0;
  responseCodeDetails = "";
  connectionTerminationDetails = "";
  /** ResponseFlag bits. */
  responseFlags = 0;
  /** The flag that came first: Envoy prints them in the order in which they came to be. */
  firstFlag = 0;
  bytesReceived = 0;
  bytesSent = 0;
  /** Of the stream on the client's connection, and of the last attempt on an upstream's; undefined: nothing was counted. */
  downstreamMeter: ByteMeter | undefined = undefined;
  upstreamMeter: ByteMeter | undefined = undefined;
  requestEndMs = 0;
  upstreamRequestStartMs = 0;
  upstreamRequestEndMs = 0;
  upstreamResponseStartMs = 0;
  upstreamResponseEndMs = 0;
  upstreamConnectStartMs = 0;
  upstreamConnectEndMs = 0;
  responseStartMs = 0;
  responseEndMs = 0;
  /** Set when the stream is over. */
  endMs = 0;
  routeName = "";
  virtualHostName = "";
  routeMetadata: Metadata | undefined = undefined;
  virtualHostMetadata: Metadata | undefined = undefined;
  virtualClusterName = "";
  clusterName = "";
  clusterMetadata: Metadata | undefined = undefined;
  upstreamHost: UpstreamHostInfo | undefined = undefined;
  upstreamHostsAttempted: UpstreamHostInfo[] | undefined = undefined;
  upstreamLocal: Address | undefined = undefined;
  upstreamConnectionId = 0;
  upstreamProtocol: HttpVersion | undefined = undefined;
  upstreamTls: TlsInfo | undefined = undefined;
  upstreamTransportFailureReason = "";
  downstreamTransportFailureReason = "";
  attemptCount = 0;
  localReplyBody = "";
  isHealthCheck = false;
  /** Set by a filter that makes a gRPC call of a request that was none: answers of our own stay what the client understands. */
  becameGrpc = false;
  /** The log entry's kind (AccessLogType); "": the end of the stream. */
  accessLogType = "";
  /** Unique number of the stream in this worker. */
  streamId = 0;
  dynamicMetadata: Record<string, { [key: string]: Json }> | undefined = undefined;
  filterState: Map<string, unknown> | undefined = undefined;
  /** `set-cookie` values of cookies that hash policies made up. */
  hashCookies: string[] | undefined = undefined;
  overrideHost: OverrideHost | undefined = undefined;

  constructor(downstream: DownstreamInfo, startWallMs: number, startMs: number) {
    this.downstream = downstream;
    this.remote = downstream.remote;
    this.startWallMs = startWallMs;
    this.startMs = startMs;
  }

  addFlags(flags: number): void {
    if (this.responseFlags === 0) this.firstFlag = flags;
    this.responseFlags |= flags;
  }

  addDynamicMetadata(namespace: string, values: { readonly [key: string]: Json }): void {
    this.dynamicMetadata ??= {};
    const all = this.dynamicMetadata;
    all[namespace] = { ...all[namespace], ...values };
  }

  /** The same request once more (internal redirects): nothing is known of its response. */
  beginAgain(): void {
    this.responseFlags = 0;
    this.firstFlag = 0;
    this.responseCodeDetails = "";
    this.responseCode = 0;
    this.upstreamHost = undefined;
    this.overrideHost = undefined;
    this.attemptCount = 0;
  }
}
