import type { HeaderList } from "#http/headers.ts";
import type {
  RequestHead,
  RequestSink,
  ResetReason,
  ResponseHead,
  ResponseStream,
} from "#http/message.ts";
import type { TimerList } from "#lib/timers.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { HeaderChanges, Route } from "../../../route/route.ts";
import type { Services } from "../../../services.ts";
import { type Json, StreamInfo } from "../../../stream-info.ts";
import type { HttpFilter, HttpStream, LocalReply } from "../../http/filter.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import { filtersOf } from "./filter-chain.ts";
import { FilterPassage } from "./filter-passage.ts";
import { receiveRequest } from "./receive-request.ts";
import { resetFlag } from "./reset-flag.ts";
import { completeResponseHead } from "./response-head.ts";
import type { ManagerSettings } from "./settings.ts";
import { streamDurationLimit } from "./stream-duration.ts";
import { PeriodicLog, writeLogs } from "./stream-logs.ts";
import {
  continueHead,
  durationReply,
  idleReply,
  refusalReply,
  requestTimeoutReply,
  requestTooLargeReply,
  responseTooLargeReply,
} from "./stream-replies.ts";
import { StreamTimer } from "./stream-timer.ts";

let lastStreamId = 0;

/** One request and its response, between the codec and the filters. Its own timer is the stream idle timer. */
export class ActiveStream extends FilterPassage implements RequestSink, HttpStream {
  readonly settings: ManagerSettings;
  readonly info: StreamInfo;
  /** Among its connection's streams. */
  place = -1;
  readonly #manager: ConnectionManager;
  readonly #codec: ResponseStream;
  #request: RequestHead | undefined;
  #route: Route | undefined;
  #routeKnown = false;
  readonly draw: number;
  #requestEnded = false;
  #requestStops = 0;
  #responseStarted = false;
  /** The response's head has left the filters. */
  #headSent = false;
  #responseSent = false;
  #replied = false;
  #done = false;
  #upgraded = false;
  #idle: TimerList | undefined;
  #requestTimer: StreamTimer | undefined;
  #durationTimer: StreamTimer | undefined;
  #periodicLog: PeriodicLog | undefined;
  #redirects: { count: number; taken: Set<string> } | undefined;

  constructor(manager: ConnectionManager, codec: ResponseStream) {
    super();
    this.#manager = manager;
    this.settings = manager.settings;
    this.#codec = codec;
    const { clock, random } = this.settings.services;
    this.info = new StreamInfo(
      manager.network.info.downstream,
      clock.wallMs(),
      clock.monotonicMs(),
    );
    this.info.streamId = ++lastStreamId;
    this.info.downstreamMeter = codec.meter;
    this.info.protocol = manager.protocol;
    this.info.remote = manager.network.info.remote;
    const { filterState } = manager.network.info;
    if (filterState !== undefined) this.info.filterState = new Map(filterState);
    this.draw = random.unit();
    const { stats } = this.settings;
    stats.requestTotal.inc();
    if (manager.protocol === 20) stats.requestHttp2.inc();
    else stats.requestHttp1.inc();
    stats.requestActive.inc();
    this.#idle = this.settings.streamIdle;
    this.#idle?.arm(this);
  }

  get services(): Services {
    return this.settings.services;
  }

  get request(): RequestHead {
    // Filters run only after the head came.
    return this.#request as RequestHead;
  }

  protected get stream(): HttpStream {
    return this;
  }

  get bufferLimit(): number {
    return this.settings.bufferLimit;
  }

  protected get requestBufferLimit(): number {
    const asked = this.#route?.kind === "forward" ? this.#route.requestBodyBufferLimit : undefined;
    return Math.max(this.bufferLimit, asked ?? 0);
  }

  protected get requestClosed(): boolean {
    return this.#done || this.#replied;
  }

  protected get over(): boolean {
    return this.#done;
  }

  get manager(): ConnectionManager {
    return this.#manager;
  }

  get done(): boolean {
    return this.#done;
  }

  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  get responseStarted(): boolean {
    return this.#responseStarted;
  }

  // === The route ===

  get route(): Route | undefined {
    if (!this.#routeKnown) this.#findRoute();
    return this.#route;
  }

  clearRoute(): void {
    this.#routeKnown = false;
    this.#route = undefined;
  }

  #findRoute(): void {
    this.#routeKnown = true;
    const head = this.request;
    this.#route = this.settings.routes.current?.match({
      head,
      info: this.info,
      draw: this.draw,
    });
    const route = this.#route;
    if (route === undefined) return;
    this.info.routeName = route.name;
    this.info.virtualHostName = route.virtualHostName;
    this.info.routeMetadata = route.metadata;
    this.info.virtualHostMetadata = route.virtualHostMetadata;
    if (route.kind !== "forward") return;
    if (route.idleTimeoutMs !== undefined) {
      this.cancel();
      this.#idle = this.settings.streamIdleTimers.of(route.idleTimeoutMs);
      this.#idle?.arm(this);
    }
    const { streamDuration } = route;
    if (streamDuration !== undefined)
      this.#limitDuration(streamDurationLimit(streamDuration, head, this.settings));
  }

  #limitDuration(list: TimerList | undefined): void {
    this.#durationTimer?.cancel();
    this.#durationTimer =
      list === undefined ? undefined : new StreamTimer(list, () => this.#onMaxDuration());
  }

  routeConfig<T>(filterName: string): T | undefined {
    const configs = this.route?.filterConfigs(filterName);
    return configs?.[configs.length - 1] as T | undefined;
  }

  routeConfigs<T>(filterName: string): readonly T[] {
    return (this.route?.filterConfigs(filterName) ?? []) as readonly T[];
  }

  // === Request: codec to filters ===

  onHead(head: RequestHead, end: boolean): void {
    this.#request = head;
    this.#requestEnded = end;
    const { info, settings } = this;
    info.requestHead = head;
    info.protocol = head.version;
    if (end) info.requestEndMs = info.startMs;
    else if (settings.requestTimeout !== undefined)
      this.#requestTimer = new StreamTimer(settings.requestTimeout, () => this.#onRequestTimeout());
    if (settings.maxStreamDuration !== undefined) this.#limitDuration(settings.maxStreamDuration);
    if (settings.logOptions.interval !== undefined)
      this.#periodicLog = new PeriodicLog(settings.logOptions.interval, settings.accessLogs, info);
    if (!receiveRequest(this, head)) return;
    if (settings.logOptions.atStart) writeLogs(settings.accessLogs, info, "DownstreamStart");
    if (head.expectsContinue) {
      if (settings.proxy100Continue) head.headers.add("expect", "100-continue");
      else this.#codec.sendInformational(continueHead);
    }
    this.filters = this.#makeFilters();
    this.passRequestHead(head, end);
  }

  #makeFilters(): readonly HttpFilter[] {
    const { chain, routes } = this.settings;
    // Without routes the first filter that asks finds that there is none.
    const known = chain.anyDisabled || routes.current !== undefined;
    return filtersOf(chain, this, known ? this.route : undefined);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#done) return;
    this.#idle?.arm(this);
    this.info.bytesReceived += chunk.length;
    if (end) this.#onRequestEnd();
    // Answered already: the rest of the request is read and dropped.
    if (this.#replied) return;
    this.passRequestData(chunk, end);
  }

  onTrailers(trailers: HeaderList): void {
    if (this.#done) return;
    this.#onRequestEnd();
    if (this.#replied) return;
    this.passRequestTrailers(trailers);
  }

  #onRequestEnd(): void {
    this.#requestEnded = true;
    this.info.requestEndMs = this.services.clock.monotonicMs();
    this.#requestTimer?.cancel();
    if (this.#responseSent) this.#finish(false);
  }

  /** Filters and the router may stop the client at the same time; it goes on when none does. */
  pauseRequest(): void {
    this.#requestStops += 1;
    if (this.#requestStops > 1) return;
    this.settings.stats.flowControlPaused.inc();
    this.#codec.pause();
  }

  unpauseRequest(): void {
    this.#requestStops -= 1;
    if (this.#requestStops > 0) return;
    this.settings.stats.flowControlResumed.inc();
    this.#codec.resume();
  }

  onReset(reason: ResetReason, detail: string): void {
    if (this.#done) return;
    // A stream of HTTP/2 is gone with its error: nothing can be said on it.
    const answerable = this.#manager.protocol !== 20;
    if (answerable && (reason === "protocol" || reason === "overflow")) {
      this.settings.stats.connectionProtocolError.inc();
      this.#requestEnded = true;
      const status = reason === "overflow" ? 431 : 400;
      if (this.#responseStarted) this.abort(detail, ResponseFlag.downstreamProtocolError);
      else
        this.#replyAbandoning({
          status,
          body: status === 400 ? "Bad Request" : "",
          details: detail,
          flags: ResponseFlag.downstreamProtocolError,
          close: true,
        });
      return;
    }
    this.settings.stats.requestReceiveReset.inc();
    this.info.responseCodeDetails = detail;
    this.info.addFlags(resetFlag(reason));
    this.#finish(true);
  }

  protected onRequestTooLarge(): void {
    this.settings.stats.requestTooLarge.inc();
    this.#replyAbandoning(requestTooLargeReply(this.#requestEnded));
  }

  protected onResponseTooLarge(): void {
    this.settings.stats.responseTooLarge.inc();
    if (this.#headSent) this.abort(responseTooLargeReply.details, 0);
    else {
      this.#responseStarted = false;
      this.#replyAbandoning(responseTooLargeReply);
    }
  }

  /** A local reply while a filter (the router) may hold an upstream: those let go first. */
  #replyAbandoning(reply: LocalReply): void {
    for (const filter of this.filters) filter.onDone?.(this);
    this.filters = [];
    this.reply(reply);
  }

  /** The codec refused what was to be a request. */
  refuseUnread(status: number, details: string): void {
    this.#requestEnded = true;
    this.reply(refusalReply(status, details));
  }

  // === Response: filters to codec ===

  reply(reply: LocalReply): void {
    if (this.#done || this.#responseStarted) return;
    this.#replied = true;
    const { info } = this;
    info.responseCodeDetails = reply.details;
    info.addFlags(reply.flags ?? 0);
    // As Envoy: 400 means that the two sides may be out of step.
    if (reply.close === true || (reply.status === 400 && !this.settings.keepOnInvalid))
      this.#manager.goAway();
    const { head, body } = this.settings.makeReply(reply, info, this.#request);
    if (reply.headers !== undefined)
      for (const [name, value] of reply.headers) head.headers.add(name, value);
    // As in Envoy, %RESPONSE_CODE% has no value yet in these.
    if (this.replyHeaders?.changesResponse === true) this.replyHeaders.response(head, info);
    info.localReplyBody = body;
    const bodiless = body === "" || this.#request?.method === "HEAD";
    this.respondHead(head, bodiless);
    if (!bodiless && !this.#done) this.respondData(Buffer.from(body, "utf8"), true);
  }

  /** Header changes of the route whose answer a local reply is. */
  replyHeaders: HeaderChanges | undefined = undefined;

  respondInformational(head: ResponseHead): void {
    if (!this.#done && !this.#responseStarted) this.#codec.sendInformational(head);
  }

  respondHead(head: ResponseHead, end: boolean): void {
    if (this.#done) return;
    this.#idle?.arm(this);
    this.#responseStarted = true;
    this.passResponseHead(head, end);
  }

  protected sendHead(head: ResponseHead, end: boolean): void {
    const { info, settings } = this;
    this.#headSent = true;
    info.responseHead = head;
    info.responseStartMs = this.services.clock.monotonicMs();
    completeResponseHead(head, settings, info);
    info.responseCode = head.status;
    this.#requestTimer?.cancel();
    this.#manager.beforeHead();
    if (this.#request?.upgrade !== undefined && head.status === 101) this.#startUpgrade();
    this.#codec.sendHead(head, end);
    if (end) this.#onResponseEnd();
  }

  #startUpgrade(): void {
    this.#upgraded = true;
    this.settings.stats.connectionUpgradesTotal.inc();
    this.settings.stats.connectionUpgradesActive.inc();
  }

  respondData(chunk: Uint8Array, end: boolean): void {
    if (this.#done) return;
    this.#idle?.arm(this);
    this.passResponseData(chunk, end);
  }

  protected sendBody(chunk: Uint8Array, end: boolean): void {
    this.info.bytesSent += chunk.length;
    this.#codec.sendData(chunk, end);
    if (end) this.#onResponseEnd();
  }

  respondTrailers(trailers: HeaderList): void {
    if (this.#done) return;
    this.passResponseTrailers(trailers);
  }

  protected sendTrailers(trailers: HeaderList): void {
    this.info.responseTrailers = trailers;
    this.#codec.sendTrailers(trailers);
    this.#onResponseEnd();
  }

  #onResponseEnd(): void {
    this.#responseSent = true;
    this.info.responseEndMs = this.services.clock.monotonicMs();
    if (!this.#requestEnded && !this.#upgraded)
      this.settings.stats.requestResponseBeforeComplete.inc();
    this.#finish(false);
  }

  abort(details: string, flags: number): void {
    if (this.#done) return;
    this.info.responseCodeDetails = details;
    this.info.addFlags(flags);
    this.settings.stats.requestTransmitReset.inc();
    this.#finish(true);
  }

  /** The downstream connection is gone. */
  onConnectionLost(flag: number, details: string): void {
    if (this.#done) return;
    this.info.addFlags(flag);
    if (this.info.responseCodeDetails === "" || this.#responseStarted)
      this.info.responseCodeDetails = details;
    this.settings.stats.requestReceiveReset.inc();
    this.#finish(true);
  }

  // === Flow control: the codec says how the client keeps up; filters that produce are told ===

  override onWritable(): void {
    this.#idle?.arm(this);
    super.onWritable();
  }

  // === Timeouts ===

  /** The stream idle timeout. */
  onTimer(): void {
    this.settings.stats.requestIdleTimeout.inc();
    if (this.#responseStarted) {
      this.abort("stream_idle_timeout", ResponseFlag.streamIdleTimeout);
      return;
    }
    this.#replyAbandoning(idleReply(this.#requestEnded));
  }

  #onRequestTimeout(): void {
    this.settings.stats.requestTimeout.inc();
    if (this.#responseStarted) this.abort("request_overall_timeout", 0);
    else this.#replyAbandoning(requestTimeoutReply);
  }

  #onMaxDuration(): void {
    this.settings.stats.requestMaxDuration.inc();
    if (this.#responseStarted) this.abort("max_duration_timeout", 0);
    else this.#replyAbandoning(durationReply(this.#requestEnded));
  }

  // === Internal redirects (route.InternalRedirect): the same request again, through the whole chain ===

  get redirects(): { count: number; taken: Set<string> } {
    this.#redirects ??= { count: 0, taken: new Set() };
    return this.#redirects;
  }

  /** The filters end and begin again with the changed head; the first pass is logged as a stream of its own. */
  recreate(body: readonly Uint8Array[]): void {
    for (const filter of this.filters) filter.onDone?.(this);
    this.info.endMs = this.services.clock.monotonicMs();
    writeLogs(this.settings.accessLogs, this.info, "");
    const { info } = this;
    info.beginAgain();
    this.clearRoute();
    this.settings.stats.requestTotal.inc();
    this.filters = this.#makeFilters();
    const last = body.length - 1;
    this.passRequestHead(this.request, last < 0);
    for (let i = 0; i <= last && !this.requestClosed; i++) {
      const chunk = body[i] as Uint8Array;
      info.bytesReceived += chunk.length;
      this.passRequestData(chunk, i === last);
    }
  }

  setDynamicMetadata(namespace: string, values: { readonly [key: string]: Json }): void {
    this.info.addDynamicMetadata(namespace, values);
  }

  #finish(aborted: boolean): void {
    if (this.#done) return;
    this.#done = true;
    this.cancel();
    this.#requestTimer?.cancel();
    this.#durationTimer?.cancel();
    const { info, settings } = this;
    const { stats } = settings;
    for (const filter of this.filters) if (filter.onDone !== undefined) filter.onDone(this);
    this.dropWaiting();
    info.endMs = this.services.clock.monotonicMs();
    stats.requestActive.dec();
    if (this.#upgraded) stats.connectionUpgradesActive.dec();
    if (this.#responseStarted) {
      // As in Envoy, health checks do not count as the service's answers.
      if (!info.isHealthCheck) stats.countResponse(info.responseCode);
      stats.requestTimeMs.record(info.endMs - info.startMs);
    }
    this.#periodicLog?.cancel();
    writeLogs(settings.accessLogs, info, "");
    if (aborted) this.#codec.reset("local");
    this.#manager.onStreamDone(this, aborted);
  }
}
