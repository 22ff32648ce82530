import type { ByteMeter } from "#http/byte-meter.ts";
import type { HeaderList } from "#http/headers.ts";
import type {
  RequestHead,
  RequestStream,
  ResetReason,
  ResponseHead,
  ResponseSink,
} from "#http/message.ts";
import { Timer, type TimerList } from "#lib/timers.ts";
import type { Host } from "../../../cluster/host.ts";
import type {
  Cluster,
  UpstreamCallbacks,
  UpstreamConnection,
  UpstreamFailure,
} from "../../../cluster/manager.ts";
import { TcpUpstream } from "../../../pool/tcp-upstream.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import { StreamTimer } from "../../network/http-connection-manager/stream-timer.ts";
import { Backlog } from "./backlog.ts";

const immediateFail = "x-envoy-immediate-health-check-fail";

/** What an attempt tells its router; `by` is the attempt. */
export interface AttemptListener {
  onAttemptReady(by: UpstreamRequest): void;
  onAttemptFailure(by: UpstreamRequest, failure: UpstreamFailure): void;
  onAttemptInformational(by: UpstreamRequest, head: ResponseHead): void;
  onAttemptHead(by: UpstreamRequest, head: ResponseHead, end: boolean): void;
  onAttemptData(by: UpstreamRequest, chunk: Uint8Array, end: boolean): void;
  onAttemptTrailers(by: UpstreamRequest, trailers: HeaderList): void;
  onAttemptReset(by: UpstreamRequest, reason: ResetReason, detail: string): void;
  onAttemptTimeout(by: UpstreamRequest, idle: boolean): void;
}

export interface AttemptTarget {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly route: ForwardAction;
  readonly head: RequestHead;
  /** The request is its head only. */
  readonly headEnds: boolean;
}

/**
 * One attempt to have a request answered: from the wait for a stream of the pool to the end of its response. Its own timer is the
 * per-try timeout.
 */
export class UpstreamRequest extends Timer implements UpstreamCallbacks, ResponseSink {
  readonly host: Host;
  readonly #router: AttemptListener;
  readonly #stream: ActiveStream;
  readonly #head: RequestHead;
  readonly #headEnds: boolean;
  #state: "waiting" | "sending" | "done" = "waiting";
  #wait: { cancel(): void } | undefined;
  #upstream: RequestStream | undefined;
  #backlog: Backlog | undefined;
  /** The client is stopped because this upstream takes no more. */
  #holdsClient = false;
  /** The upstream is stopped because the client takes no more. */
  #held = false;
  #idle: StreamTimer | undefined;
  /** A hedged attempt goes on after its own timeout, and may meet the route's. */
  #timeoutCounted = false;
  /** The head said what load the host has: its trailers are not asked. */
  #loadReported = false;
  /** Undefined until a stream is there. */
  connection: UpstreamConnection | undefined;
  meter: ByteMeter | undefined;
  /** Its connection had carried a request before this one. */
  reused = false;
  /** All of the request has been given to the upstream. */
  requestSent = false;
  awaitsHead = true;
  /** Another attempt has been made in its place, and it goes on beside it. */
  retried = false;

  constructor(router: AttemptListener, stream: ActiveStream, target: AttemptTarget) {
    super();
    this.#router = router;
    this.#stream = stream;
    this.host = target.host;
    this.#head = target.head;
    this.#headEnds = target.headEnds;
  }

  /** Ask the pool; its answer may come before this returns. */
  start({ cluster, host, route, head }: AttemptTarget): void {
    const { info } = this.#stream;
    const wait =
      route.connectTerminate && head.method === "CONNECT"
        ? TcpUpstream.open({ cluster, host, info }, this, this)
        : cluster.request({
            host,
            head,
            downstream: head.version,
            priority: route.priority,
            info,
            sink: this,
            callbacks: this,
          });
    if (this.#state === "waiting") this.#wait = wait;
  }

  get done(): boolean {
    return this.#state === "done";
  }

  get sending(): boolean {
    return this.#state === "sending";
  }

  // === Request ===

  /** The body of an earlier attempt, which is kept elsewhere and not copied. */
  sendKept(chunks: readonly Uint8Array[], end: boolean, trailers: HeaderList | undefined): void {
    if (this.#state === "done") return;
    const kept = new Backlog();
    kept.take(chunks, end, trailers);
    if (this.#state === "waiting") this.#backlog = kept;
    else if (this.#upstream !== undefined) {
      this.requestSent = kept.end;
      kept.sendTo(this.#upstream);
    }
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.#state === "sending") {
      this.requestSent = end;
      this.#upstream?.sendData(chunk, end);
      this.#rearmIdle();
    } else if (this.#state === "waiting") this.#keep(chunk, end, undefined);
  }

  sendTrailers(trailers: HeaderList): void {
    if (this.#state === "sending") {
      this.requestSent = true;
      this.#upstream?.sendTrailers(trailers);
    } else if (this.#state === "waiting") this.#keep(undefined, true, trailers);
  }

  #keep(chunk: Uint8Array | undefined, end: boolean, trailers: HeaderList | undefined): void {
    this.#backlog ??= new Backlog();
    const backlog = this.#backlog;
    backlog.add(chunk, end, trailers);
    if (backlog.held || backlog.size <= this.#stream.settings.bufferLimit) return;
    backlog.held = true;
    this.#stream.pauseRequest();
  }

  // === The pool's answer ===

  onReady(upstream: RequestStream, connection: UpstreamConnection): void {
    this.#wait = undefined;
    this.#state = "sending";
    this.#upstream = upstream;
    this.meter = upstream.meter;
    this.connection = connection;
    this.reused = connection.reused;
    this.host.outlier?.onConnected();
    this.#router.onAttemptReady(this);
    // The client of an HTTP/2 connection may be slow already, by other streams' answers.
    if (this.#stream.responseStopped) this.onDownstreamUnwritable();
    this.requestSent = this.#headEnds;
    upstream.sendHead(this.#head, this.#headEnds);
    if (this.#backlog !== undefined) this.#sendBacklog(upstream);
  }

  #sendBacklog(upstream: RequestStream): void {
    const backlog = this.#backlog;
    if (backlog === undefined) return;
    this.#backlog = undefined;
    this.requestSent = backlog.end;
    backlog.sendTo(upstream);
    if (backlog.held) this.#stream.unpauseRequest();
  }

  onFailure(failure: UpstreamFailure): void {
    this.#wait = undefined;
    if (this.#state === "done") return;
    // What the cluster's limits refuse is not the host's fault.
    if (failure.kind !== "overflow") this.host.outlier?.onFailure();
    this.#end();
    this.#router.onAttemptFailure(this, failure);
  }

  // === Response ===

  onInformational(head: ResponseHead): void {
    if (this.#state === "done") return;
    this.#rearmIdle();
    this.#router.onAttemptInformational(this, head);
  }

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#state === "done") return;
    this.cancel();
    this.#rearmIdle();
    this.awaitsHead = false;
    if (this.host.failImmediately !== undefined && head.headers.has(immediateFail))
      this.host.failImmediately();
    this.host.outlier?.onAnswer(this.#head, head);
    if (this.host.load !== undefined) this.#loadReported = this.host.load.report(head.headers);
    this.#router.onAttemptHead(this, head, end);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#state === "done") return;
    this.#rearmIdle();
    this.#router.onAttemptData(this, chunk, end);
  }

  onTrailers(trailers: HeaderList): void {
    if (this.#state === "done") return;
    if (!this.#loadReported) this.host.load?.report(trailers);
    this.#router.onAttemptTrailers(this, trailers);
  }

  onReset(reason: ResetReason, detail: string): void {
    if (this.#state === "done") return;
    this.#upstream = undefined;
    if (reason !== "overflow") this.host.outlier?.onFailure();
    this.#end();
    this.#router.onAttemptReset(this, reason, detail);
  }

  /** The response has ended; the request may not have. */
  complete(): void {
    const upstream = this.#upstream;
    // The end may have come in the same read as what made the client slow: the pool's next request needs the connection read.
    if (this.#held) this.onDownstreamWritable();
    this.#upstream = undefined;
    this.#end();
    // An answer before the end of the request: the connection would be out of step.
    // Not now: the codec is still inside the event that ended the response.
    if (!this.requestSent && upstream !== undefined)
      process.nextTick(() => upstream.reset("local"));
  }

  // === Flow control ===

  /** The upstream takes no more: hold the client's body. */
  onUnwritable(): void {
    if (this.#holdsClient || this.#state === "done") return;
    this.#holdsClient = true;
    this.#stream.pauseRequest();
  }

  onWritable(): void {
    if (!this.#holdsClient) return;
    this.#holdsClient = false;
    this.#stream.unpauseRequest();
  }

  /** The client takes no more: hold the upstream's body. Returns whether that is news. */
  onDownstreamUnwritable(): boolean {
    if (this.#held || this.#upstream === undefined) return false;
    this.#held = true;
    this.#upstream.pause();
    return true;
  }

  onDownstreamWritable(): boolean {
    if (!this.#held) return false;
    this.#held = false;
    this.#upstream?.resume();
    return true;
  }

  // === Ends ===

  /** The per-try timeouts begin when the whole request is with the proxy and a stream is there. */
  armTimeouts(perTry: TimerList | undefined, idle: TimerList | undefined): void {
    if (this.#state === "done") return;
    if (this.awaitsHead) perTry?.arm(this);
    if (idle !== undefined && this.#idle === undefined)
      this.#idle = new StreamTimer(idle, () => this.#router.onAttemptTimeout(this, true));
  }

  #rearmIdle(): void {
    if (this.#idle !== undefined) this.#idle.timerList?.arm(this.#idle);
  }

  onTimer(): void {
    this.#router.onAttemptTimeout(this, false);
  }

  /** The client is answered with `status` because this attempt took too long: outlier detection hears of it. */
  countTimeout(status: number): void {
    if (this.#state !== "sending" || this.#timeoutCounted) return;
    this.#timeoutCounted = true;
    this.host.outlier?.onTimeout(status);
  }

  /** Let the upstream go, whatever state it is in. Returns whether a reset was sent: HTTP/1 has none, its connection closes. */
  release(): boolean {
    if (this.#state === "done") return false;
    this.#wait?.cancel();
    this.#wait = undefined;
    const upstream = this.#upstream;
    if (this.#held) this.onDownstreamWritable();
    this.#upstream = undefined;
    this.#end();
    upstream?.reset("local");
    return upstream !== undefined && this.connection?.protocol === 20;
  }

  #end(): void {
    this.#state = "done";
    this.cancel();
    this.#idle?.cancel();
    if (this.#holdsClient) this.onWritable();
    if (this.#backlog?.held === true) this.#stream.unpauseRequest();
    this.#backlog = undefined;
  }
}
