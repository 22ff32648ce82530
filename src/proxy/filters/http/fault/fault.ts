import type { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import { Timer, type TimerList } from "#lib/timers.ts";
import { TokenBucket } from "#lib/token-bucket.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { Services } from "../../../services.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import { StreamRateLimiter } from "../stream-rate-limiter.ts";
import type { ClusterFaults, FaultStats } from "./fault-stats.ts";
import {
  type AbortStatus,
  type Fault,
  type FaultSettings,
  isStatus,
  wholeNumber,
} from "./settings.ts";

export interface FaultConfig {
  readonly services: Services;
  readonly filterName: string;
  readonly settings: FaultSettings;
  readonly stats: FaultStats;
  /** How often a limited response goes on. */
  readonly interval: TimerList | undefined;
}

const secondMs = 1000;
const kilobyte = 1024;

/** Delays, aborts and slows down requests on purpose. Delay and abort are drawn each for itself; an abort follows its delay. */
export class FaultFilter implements HttpFilter {
  readonly #config: FaultConfig;
  #settings: FaultSettings;
  #active = false;
  #delay: DelayTimer | undefined = undefined;
  #limiter: StreamRateLimiter | undefined = undefined;

  constructor(config: FaultConfig) {
    this.#config = config;
    this.#settings = config.settings;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    if (stream.route?.hasFilterConfigs === true)
      this.#settings = stream.routeConfig<FaultSettings>(this.#config.filterName) ?? this.#settings;
    const { delayMs, abort, kilobytesPerSecond } = this.#settings;
    if (delayMs === undefined && abort === undefined && kilobytesPerSecond === undefined)
      return "continue";
    if (!this.#concerns(stream, head)) return "continue";
    if (kilobytesPerSecond !== undefined) this.#limitResponse(stream, head, kilobytesPerSecond);
    if (delayMs !== undefined && this.#delayRequest(stream, head, delayMs)) return "park";
    return this.#abortRequest(stream, head) ? "park" : "continue";
  }

  onResponseData(_stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict {
    return this.#limiter === undefined ? "continue" : this.#limiter.data(chunk, end);
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    return this.#limiter === undefined ? "continue" : this.#limiter.trailers(trailers);
  }

  onDone(): void {
    this.#delay?.cancel();
    this.#limiter?.destroy();
    this.#end();
  }

  #concerns(stream: HttpStream, head: RequestHead): boolean {
    const { upstreamCluster, downstreamNodes, headers } = this.#settings;
    if (upstreamCluster !== "") {
      const { route } = stream;
      if (route?.kind !== "forward" || route.clusterName !== upstreamCluster) return false;
    }
    if (downstreamNodes.length > 0) {
      const node = head.headers.get("x-envoy-downstream-service-node");
      if (node === undefined || !downstreamNodes.includes(node)) return false;
    }
    for (const matches of headers) if (!matches(head)) return false;
    return true;
  }

  #limitResponse(stream: HttpStream, head: RequestHead, fault: Fault<number>): void {
    const { stats, interval, services } = this.#config;
    if (!this.#drawn(head.headers, fault, this.#settings.keys.rateLimitPercent)) return;
    const kilobytes = fault.value(head.headers);
    if (kilobytes === undefined || interval === undefined || !this.#begin()) return;
    stats.rateLimits.inc();
    const bytes = kilobytes * kilobyte;
    const bucket = new TokenBucket(services.clock, {
      tokensMax: bytes,
      tokensPerFill: bytes,
      fillIntervalMs: secondMs,
      // Not a whole second's worth at once: that would be no limit for most bodies.
      tokensAtStart: Math.floor((bytes * interval.durationMs) / secondMs),
    });
    this.#limiter = new StreamRateLimiter({
      stream,
      filter: this,
      direction: "response",
      bucket,
      interval,
    });
  }

  #delayRequest(stream: HttpStream, head: RequestHead, fault: Fault<number>): boolean {
    const { keys } = this.#settings;
    const cluster = callerOf(head);
    const key = clusterKey(cluster, "delay.fixed_delay_percent", keys.delayPercent);
    if (!this.#drawn(head.headers, fault, key)) return false;
    let durationMs = fault.value(head.headers);
    if (durationMs === undefined) return false;
    durationMs = this.#runtime(keys.delayDuration, durationMs);
    if (cluster !== undefined)
      durationMs = this.#runtime(`fault.http.${cluster}.delay.fixed_duration_ms`, durationMs);
    const list = this.#config.services.timers.of(durationMs);
    if (list === undefined || !this.#begin()) return false;
    this.#delay = new DelayTimer(this, stream, head);
    list.arm(this.#delay);
    stream.info.addFlags(ResponseFlag.delayInjected);
    this.#describe(stream);
    this.#config.stats.delays.inc();
    this.#clusterStats(cluster)?.delays.inc();
    return true;
  }

  afterDelay(stream: HttpStream, head: RequestHead): void {
    if (this.#abortRequest(stream, head)) return;
    // The delay is over; without a limited response nothing of the fault is left.
    if (this.#settings.kilobytesPerSecond === undefined) this.#end();
    stream.resumeRequest();
  }

  #abortRequest(stream: HttpStream, head: RequestHead): boolean {
    const { abort, keys } = this.#settings;
    if (abort === undefined) return false;
    const cluster = callerOf(head);
    const key = clusterKey(cluster, "abort.abort_percent", keys.abortPercent);
    if (!this.#drawn(head.headers, abort, key)) return false;
    const status = abort.value(head.headers);
    if (status === undefined || !this.#begin()) return false;
    this.#config.stats.aborts.inc();
    this.#clusterStats(cluster)?.aborts.inc();
    this.#describe(stream);
    this.#reply(stream, status, cluster);
    return true;
  }

  #reply(stream: HttpStream, { http, grpc }: AbortStatus, cluster: string | undefined): void {
    const { keys } = this.#settings;
    const common = {
      body: "fault filter abort",
      details: "fault_filter_abort",
      flags: ResponseFlag.faultInjected,
    };
    if (http !== undefined) {
      const key = clusterKey(cluster, "abort.http_status", keys.abortHttpStatus);
      const status = this.#runtime(key, http);
      stream.reply({ ...common, status: isStatus(status) ? status : http });
      return;
    }
    const key = clusterKey(cluster, "abort.grpc_status", keys.abortGrpcStatus);
    stream.reply({ ...common, status: 200, grpcStatus: this.#runtime(key, grpc ?? 0) });
  }

  /** The client may lower the percentage, not raise it. */
  #drawn(headers: HeaderList, { share }: Fault<unknown>, key: string): boolean {
    const { runtime, random } = this.#config.services;
    const asked = share.header === undefined ? undefined : wholeNumber(headers.get(share.header));
    const numerator = asked === undefined ? share.numerator : Math.min(asked, share.numerator);
    return runtime.featureEnabled(key, numerator, share.denominator, random.unit());
  }

  #runtime(key: string, absent: number): number {
    const value = this.#config.services.runtime.number(key, absent);
    return Number.isInteger(value) && value >= 0 ? value : absent;
  }

  /** A stream is one active fault, however many kinds of faults it has. */
  #begin(): boolean {
    if (this.#active) return true;
    const { stats } = this.#config;
    const { keys, activeMax } = this.#settings;
    if (stats.active >= this.#runtime(keys.activeMax, activeMax)) {
      stats.overflow.inc();
      return false;
    }
    stats.begin();
    this.#active = true;
    return true;
  }

  #end(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#config.stats.end();
  }

  #describe(stream: HttpStream): void {
    const { metadata } = this.#settings;
    if (metadata !== undefined) stream.setDynamicMetadata(this.#config.filterName, metadata);
  }

  /** Both the filter and the route must want them. */
  #clusterStats(cluster: string | undefined): ClusterFaults | undefined {
    if (cluster === undefined || cluster === "") return undefined;
    const wanted = this.#settings.clusterStats && this.#config.settings.clusterStats;
    return wanted ? this.#config.stats.ofCluster(cluster) : undefined;
  }
}

function callerOf(head: RequestHead): string | undefined {
  return head.headers.get("x-envoy-downstream-service-cluster");
}

/** A downstream cluster's own key stands in for the general one. */
function clusterKey(cluster: string | undefined, name: string, general: string): string {
  return cluster === undefined ? general : `fault.http.${cluster}.${name}`;
}

class DelayTimer extends Timer {
  readonly #filter: FaultFilter;
  readonly #stream: HttpStream;
  readonly #head: RequestHead;

  constructor(filter: FaultFilter, stream: HttpStream, head: RequestHead) {
    super();
    this.#filter = filter;
    this.#stream = stream;
    this.#head = head;
  }

  onTimer(): void {
    this.#filter.afterDelay(this.#stream, this.#head);
  }
}
