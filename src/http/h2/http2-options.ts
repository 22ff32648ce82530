export interface Http2Counter {
  inc(): void;
}

export interface Http2Gauge {
  inc(): void;
  dec(): void;
  add(n: number): void;
}

/** Envoy's `http2.*` counters by our names; the codec counts them all but `keepaliveTimeout`, whose timer is the owner's. */
export const http2CounterNames = {
  droppedHeadersWithUnderscores: "dropped_headers_with_underscores",
  goAwaySent: "goaway_sent",
  headerListSizeTooLarge: "header_list_size_too_large",
  headerOverflow: "header_overflow",
  inboundEmptyFramesFlood: "inbound_empty_frames_flood",
  inboundPriorityFramesFlood: "inbound_priority_frames_flood",
  inboundWindowUpdateFramesFlood: "inbound_window_update_frames_flood",
  keepaliveTimeout: "keepalive_timeout",
  outboundControlFlood: "outbound_control_flood",
  outboundFlood: "outbound_flood",
  requestsRejectedWithUnderscores: "requests_rejected_with_underscores_in_headers",
  rxMessagingError: "rx_messaging_error",
  rxReset: "rx_reset",
  streamRefusedErrors: "stream_refused_errors",
  trailers: "trailers",
  txFlushTimeout: "tx_flush_timeout",
  txReset: "tx_reset",
} as const;

export const http2GaugeNames = {
  pendingSendBytes: "pending_send_bytes",
  streamsActive: "streams_active",
} as const;

export type Http2Stats = { readonly [Name in keyof typeof http2CounterNames]: Http2Counter } & {
  readonly [Name in keyof typeof http2GaugeNames]: Http2Gauge;
};

/** Envoy's Http2ProtocolOptions and what else bounds a connection; `http2Defaults` has Envoy's values. */
export interface Http2Options {
  /** Of both directions' dynamic tables. */
  readonly hpackTableSize: number;
  /** Server: streams the client may have open. Client: streams we open at most, whatever the server allows. */
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowSize: number;
  readonly initialConnectionWindowSize: number;
  /** Server: extended CONNECT is offered (RFC 8441). */
  readonly allowConnect: boolean;
  /** A malformed message ends its stream and not the connection. */
  readonly streamErrorOnInvalidMessage: boolean;
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  readonly maxInboundPriorityFramesPerStream: number;
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** Of one message: count of fields, and octets of their names and values. */
  readonly fieldsMax: number;
  readonly fieldBytesMax: number;
  readonly underscores: "ALLOW" | "DROP_HEADER" | "REJECT_REQUEST";
  /** Unsent octets of one stream above which its producer is told to stop. */
  readonly streamBufferLimit: number;
  /** Rapid reset: half of so many streams, or of all there were if more, reset by the client before `lifetimeMs`. 0: no limit. */
  readonly prematureResets: { readonly total: number; readonly lifetimeMs: number };
}

export const http2Defaults: Http2Options = {
  hpackTableSize: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 16 * 1024 * 1024,
  initialConnectionWindowSize: 24 * 1024 * 1024,
  allowConnect: false,
  streamErrorOnInvalidMessage: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  fieldsMax: 100,
  fieldBytesMax: 60 * 1024,
  underscores: "ALLOW",
  streamBufferLimit: 1024 * 1024,
  prematureResets: { total: 500, lifetimeMs: 1000 },
};

/** What a codec needs beside its options. */
export interface Http2Services {
  readonly stats: Http2Stats;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}
