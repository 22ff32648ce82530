import type {
  Http2ProtocolOptionsJson,
  HttpProtocolOptionsJson,
} from "#gen/envoy/config/core/v3/protocol_pb.js";
import {
  type Http2Options,
  type Http2Services,
  type Http2Stats,
  http2CounterNames,
  http2Defaults,
  http2GaugeNames,
} from "#http/h2/http2-options.ts";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { KeepaliveOptions } from "#lib/keepalive.ts";
import type { StatsScope } from "./stats/stats.ts";

const kibibyte = 1024;

export interface CompiledHttp2 {
  readonly options: Http2Options;
  readonly keepalive: KeepaliveOptions | undefined;
}

interface Context {
  readonly common: HttpProtocolOptionsJson | undefined;
  /** Largest header section accepted: of requests or of responses. */
  readonly headersKb: number;
  readonly bufferLimit: number;
  /** What the connection manager says for all its codecs; the options' own word is stronger. */
  readonly streamErrorOnInvalidMessage?: boolean;
}

/** `http2_protocol_options`, with Envoy's defaults for what it leaves out. */
export function compileHttp2(
  config: Http2ProtocolOptionsJson | undefined,
  context: Context,
): CompiledHttp2 {
  const defaults = http2Defaults;
  const { common } = context;
  return {
    keepalive: within("connection_keepalive", () => compileKeepalive(config)),
    options: {
      hpackTableSize: config?.hpackTableSize ?? defaults.hpackTableSize,
      maxConcurrentStreams: config?.maxConcurrentStreams ?? defaults.maxConcurrentStreams,
      initialStreamWindowSize: config?.initialStreamWindowSize ?? defaults.initialStreamWindowSize,
      initialConnectionWindowSize:
        config?.initialConnectionWindowSize ?? defaults.initialConnectionWindowSize,
      allowConnect: config?.allowConnect ?? false,
      streamErrorOnInvalidMessage:
        config?.overrideStreamErrorOnInvalidHttpMessage ??
        context.streamErrorOnInvalidMessage ??
        false,
      ...compileFloodLimits(config),
      fieldsMax: common?.maxHeadersCount ?? defaults.fieldsMax,
      fieldBytesMax: context.headersKb * kibibyte,
      underscores: common?.headersWithUnderscoresAction ?? "ALLOW",
      streamBufferLimit: context.bufferLimit,
      prematureResets: defaults.prematureResets,
    },
  };
}

function compileFloodLimits(
  config: Http2ProtocolOptionsJson | undefined,
): Pick<
  Http2Options,
  | "maxOutboundFrames"
  | "maxOutboundControlFrames"
  | "maxConsecutiveInboundFramesWithEmptyPayload"
  | "maxInboundPriorityFramesPerStream"
  | "maxInboundWindowUpdateFramesPerDataFrameSent"
> {
  const defaults = http2Defaults;
  return {
    maxOutboundFrames: config?.maxOutboundFrames ?? defaults.maxOutboundFrames,
    maxOutboundControlFrames: config?.maxOutboundControlFrames ?? defaults.maxOutboundControlFrames,
    maxConsecutiveInboundFramesWithEmptyPayload:
      config?.maxConsecutiveInboundFramesWithEmptyPayload ??
      defaults.maxConsecutiveInboundFramesWithEmptyPayload,
    maxInboundPriorityFramesPerStream:
      config?.maxInboundPriorityFramesPerStream ?? defaults.maxInboundPriorityFramesPerStream,
    maxInboundWindowUpdateFramesPerDataFrameSent:
      config?.maxInboundWindowUpdateFramesPerDataFrameSent ??
      defaults.maxInboundWindowUpdateFramesPerDataFrameSent,
  };
}

function compileKeepalive(
  config: Http2ProtocolOptionsJson | undefined,
): KeepaliveOptions | undefined {
  const keepalive = config?.connectionKeepalive;
  if (keepalive === undefined) return undefined;
  const intervalMs = durationMs(keepalive.interval, 0);
  const timeoutMs = durationMs(keepalive.timeout, 0);
  if (timeoutMs <= 0) throw refuse("timeout", "is required");
  return {
    intervalMs,
    timeoutMs,
    jitter: Number(keepalive.intervalJitter?.value ?? 15) / 100,
    idleMs: durationMs(keepalive.connectionIdleInterval, 0),
  };
}

/** The codec's counters, under `http2.` of `scope`. As in Envoy they exist from the first HTTP/2 connection on. */
export class LazyHttp2Services implements Http2Services {
  readonly now: () => number;
  readonly #scope: StatsScope;
  #stats: Http2Stats | undefined;

  constructor(scope: StatsScope, now: () => number) {
    this.#scope = scope;
    this.now = now;
  }

  get stats(): Http2Stats {
    this.#stats ??= makeStats(this.#scope);
    return this.#stats;
  }
}

function makeStats(scope: StatsScope): Http2Stats {
  const counters = Object.entries(http2CounterNames).map(([key, name]) => [
    key,
    scope.counter(`http2.${name}`),
  ]);
  const gauges = Object.entries(http2GaugeNames).map(([key, name]) => [
    key,
    scope.gauge(`http2.${name}`),
  ]);
  // Proof: one entry for each key of both tables, of which Http2Stats is made.
  return Object.fromEntries([...counters, ...gauges]) as Http2Stats;
}
