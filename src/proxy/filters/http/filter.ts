import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Route } from "../../route/route.ts";
import type { Services } from "../../services.ts";
import type { StatsScope } from "../../stats/stats.ts";
import type { Json, StreamInfo } from "../../stream-info.ts";

/**
 * What a phase answers.
 * `continue`: go on with the next filter.
 * `park`: stop here; the filter calls `resumeRequest`/`resumeResponse` or `reply` later (or has called `reply` already). What comes
 * meanwhile waits here up to the buffer limit, at which the source is stopped; this filter sees it when it resumes.
 * `hold`: stop here and ask again with the next phase; what has come so far is kept and leaves, head first, as soon as one of them
 * answers `continue`. A message larger than the buffer limit is refused: 413 for a request, 500 for a response.
 * `consume`: what came goes no further, the filter has taken what it wants of it; what follows comes to this filter too.
 */
export type Verdict = "continue" | "park" | "hold" | "consume";

/**
 * Data phases may answer with bytes: they go on in place of the chunk (none: nothing goes on now). Of trailers, bytes take the place: the body
 * ends with them, and there are no trailers.
 */
export type Replacement = Uint8Array;

/** Phases of one stream; a filter has only those it needs. A filter without state per stream may be one shared object. */
export interface HttpFilter {
  onRequestHead?(stream: HttpStream, head: RequestHead, end: boolean): Verdict;
  onRequestData?(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement;
  onRequestTrailers?(stream: HttpStream, trailers: HeaderList): Verdict | Replacement;
  onResponseHead?(stream: HttpStream, head: ResponseHead, end: boolean): Verdict;
  onResponseData?(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement;
  onResponseTrailers?(stream: HttpStream, trailers: HeaderList): Verdict | Replacement;
  /** The stream is over, for whatever reason; called once, before its access log is written. Release timers here. */
  onDone?(stream: HttpStream): void;
}

/** A reply made by the proxy itself. Its body is text; gRPC requests get it as grpc-message (Envoy's mapping). */
export interface LocalReply {
  readonly status: number;
  readonly body?: string;
  /** "text/plain" unless given. */
  readonly contentType?: string;
  /** Response code details, Envoy's: `rbac_access_denied_matched_policy[x]`. */
  readonly details: string;
  /** ResponseFlag bits to set. */
  readonly flags?: number;
  readonly headers?: readonly (readonly [string, string])[];
  /** gRPC status when the request is gRPC; by default mapped from `status`. */
  readonly grpcStatus?: number;
  /** Close the downstream connection after it. */
  readonly close?: boolean;
  /** It goes out as it is: neither `local_reply_config` nor gRPC's form of an answer touches it. */
  readonly unmapped?: boolean;
}

/** One request and its response, as filters see it. */
export interface HttpStream {
  readonly info: StreamInfo;
  readonly services: Services;
  /** Bytes of a message that may be kept here. */
  readonly bufferLimit: number;
  readonly request: RequestHead;
  /** The matched route; computed on first use and after `clearRoute`. Undefined: no route matches. */
  readonly route: Route | undefined;
  clearRoute(): void;
  /** This filter's most specific per-route configuration, as its factory's `compileRoute` made it (weighted cluster, route, virtual host, route configuration). */
  routeConfig<T>(filterName: string): T | undefined;
  /** All of them, least specific first. */
  routeConfigs<T>(filterName: string): readonly T[];
  /** Answer from here; response filters from the first one that runs before this filter see it. */
  reply(reply: LocalReply): void;
  resumeRequest(): void;
  resumeResponse(): void;
  /** How much of this request may wait at a filter, in place of the buffer limit. */
  limitRequest(bytes: number): void;
  /** Counted: hold the downstream's request body back. */
  pauseRequest(): void;
  unpauseRequest(): void;
  /** Counted: hold the upstream's response body back. */
  pauseResponse(): void;
  unpauseResponse(): void;
  /** What the filter `from` has consumed goes on behind it, when that filter wants. A chunk is read during the call only. */
  injectRequestData(from: HttpFilter, chunk: Uint8Array, end: boolean): void;
  injectRequestTrailers(from: HttpFilter, trailers: HeaderList): void;
  injectResponseData(from: HttpFilter, chunk: Uint8Array, end: boolean): void;
  injectResponseTrailers(from: HttpFilter, trailers: HeaderList): void;
  /** End the stream without answer (reset). */
  abort(details: string, flags: number): void;
  setDynamicMetadata(namespace: string, values: { readonly [key: string]: Json }): void;
}

/** What a factory may use while it compiles; alive as long as the configuration. */
export interface FilterContext {
  readonly services: Services;
  /** `http.<stat_prefix>.` of the connection manager. */
  readonly scope: StatsScope;
  /** Name of the filter in the chain: the key of its per-route configuration. */
  readonly filterName: string;
}

/** The config is canonical ProtoJSON of the `configType` message, without its "@type". Compile functions throw ConfigError. */
export interface HttpFilterFactory {
  /** "envoy.filters.http.rbac" */
  readonly name: string;
  /** "envoy.extensions.filters.http.rbac.v3.RBAC" */
  readonly configType: string;
  /** Message type of its per-route configuration, when it has one. */
  readonly routeConfigType?: string;
  /** Decoded once per configuration; the closure runs once per stream (return the same object when it has no state). */
  compile(config: unknown, context: FilterContext): (stream: HttpStream) => HttpFilter;
  compileRoute?(config: unknown, services: Services): unknown;
  /** The router and its like: must stand last. */
  readonly terminal?: boolean;
}
