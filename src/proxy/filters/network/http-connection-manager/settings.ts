import type { Http1ServerOptions } from "#http/h1/server.ts";
import type { Http2Services } from "#http/h2/http2-options.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { TimerList, Timers } from "#lib/timers.ts";
import type { AccessLog } from "../../../access-log/access-log.ts";
import type { FieldMutation } from "../../../field-mutations.ts";
import type { CompiledHttp2 } from "../../../http2-options.ts";
import type { RouteTable } from "../../../route/route.ts";
import type { Services } from "../../../services.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import type { LocalReply } from "../../http/filter.ts";
import type { FilterChain } from "./filter-chain.ts";
import type { ManagerStats } from "./manager-stats.ts";
import type { CodecType } from "./negotiate.ts";
import type { SetProxyStatus } from "./proxy-status.ts";
import type { LogOptions } from "./stream-logs.ts";

/** What path normalisation says of a path. */
export type PathOutcome =
  | { readonly path: string }
  | { readonly reject: true }
  | { readonly redirect: string };

/** A connection manager's configuration, compiled. Immutable; route tables are swapped through `routes`. */
export interface ManagerSettings {
  readonly services: Services;
  readonly stats: ManagerStats;
  /** traffic_direction is INBOUND: some drains are for these only. */
  readonly inbound: boolean;
  readonly chain: FilterChain;
  readonly routes: { readonly current: RouteTable | undefined };
  readonly codecType: CodecType;
  readonly http1: Omit<Http1ServerOptions, "secure">;
  readonly http2: CompiledHttp2 & { readonly services: Http2Services };
  readonly bufferLimit: number;
  readonly accessLogs: readonly AccessLog[];
  readonly logOptions: LogOptions;
  readonly serverName: string;
  readonly serverTransformation: "OVERWRITE" | "APPEND_IF_ABSENT" | "PASS_THROUGH";
  readonly via: string;
  readonly setProxyStatus: SetProxyStatus | undefined;
  readonly proxy100Continue: boolean;
  readonly requestIdInResponse: boolean;
  /** undefined: paths are taken as they come. */
  readonly normalisePath: ((path: string) => PathOutcome) | undefined;
  readonly underscores: "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";
  /** Strip the port from Host: any, the listener's own, or never. */
  readonly stripPort: "any" | "matching" | "never";
  readonly stripTrailingDot: boolean;
  readonly earlyMutations: readonly FieldMutation[];
  /** Trusted address, forwarded headers, request id, sanitising. */
  readonly prepareRequest: (head: RequestHead, info: StreamInfo) => void;
  readonly makeReply: (
    reply: LocalReply,
    info: StreamInfo,
    request: RequestHead | undefined,
  ) => { readonly head: ResponseHead; readonly body: string };
  /** Upgrade types in lower case, true when on; "connect" for CONNECT. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** A Host-less request keeps its connection (stream_error_on_invalid_http_message). */
  readonly keepOnInvalid: boolean;
  readonly streamIdle: TimerList | undefined;
  /** For a route's own stream idle timeout. */
  readonly streamIdleTimers: Timers;
  /** For answers that wait for the client's windows. */
  readonly streamFlush: TimerList | undefined;
  readonly requestTimeout: TimerList | undefined;
  readonly requestHeadersTimeout: TimerList | undefined;
  readonly maxStreamDuration: TimerList | undefined;
  readonly idleTimeout: TimerList | undefined;
  readonly maxConnectionDuration: TimerList | undefined;
  /** An HTTP/1 connection that is too old waits for its next request, without a limit, to be told so. */
  readonly http1SafeDuration: boolean;
  readonly delayedClose: TimerList | undefined;
  /** Between HTTP/2's notice and its GOAWAY. */
  readonly drainTimeout: TimerList | undefined;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
}
