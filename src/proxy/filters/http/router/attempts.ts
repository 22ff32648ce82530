import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import type { ClusterStats } from "../../../cluster/cluster-stats.ts";
import type { Host } from "../../../cluster/host.ts";
import type { Cluster } from "../../../cluster/manager.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import type { LocalReply } from "../filter.ts";
import type { Replay } from "./replay.ts";
import { retryBufferReply } from "./replies.ts";
import {
  type AttemptFailure,
  isIdempotent,
  type RetryDecision,
  type RetryState,
} from "./retry-state.ts";
import type { RouterSettings } from "./router.ts";
import { noTimeouts, type RequestTimeouts } from "./timeouts.ts";
import { prepareAnotherAttempt, rewriteHost } from "./upstream-head.ts";
import { type AttemptListener, type AttemptTarget, UpstreamRequest } from "./upstream-request.ts";

export type CountingCluster = Cluster & { readonly clusterStats: ClusterStats };

/** Runtime feature: repeat what met a kept connection that closed. On unless it says 0. */
const closedConnectionKey = "router.repeat_on_closed_connection";

/** The attempts to have one request answered: how many, when, where, and which of them counts. */
export abstract class Attempts extends Timer {
  protected readonly settings: RouterSettings;
  protected readonly stream: ActiveStream;
  protected route: ForwardAction | undefined;
  protected cluster: CountingCluster | undefined;
  protected head: RequestHead | undefined;
  protected headEnds = false;
  protected requestEnded = false;
  protected trailers: HeaderList | undefined;
  protected requestEndedMs = 0;
  /** The latest attempt. */
  protected attempt: UpstreamRequest | undefined;
  /** Slower ones that go on beside it; only with hedging. */
  protected slower: UpstreamRequest[] | undefined;
  protected retries: RetryState | undefined;
  /** A retry waits for its back-off. */
  protected retryWaits = false;
  protected replay: Replay | undefined;
  protected responseStarted = false;
  protected done = false;
  protected timeouts: RequestTimeouts = noTimeouts;
  protected hedges = false;

  constructor(settings: RouterSettings, stream: ActiveStream) {
    super();
    this.settings = settings;
    this.stream = stream;
  }

  protected abstract get listener(): AttemptListener;
  protected abstract onNoHost(cluster: CountingCluster): void;
  protected abstract replyRouted(reply: LocalReply): void;

  protected pick(cluster: Cluster, head: RequestHead): Host | undefined {
    const { info } = this.stream;
    const retries = this.retries;
    const context = {
      originalDestination: info.downstream.local,
      head,
      info,
      exclusion: retries?.exclusion,
      hashPolicy: this.route?.hashPolicy,
      metadataMatch: this.route?.metadataMatch,
      // As in Envoy: a retry goes anywhere.
      override: info.attemptCount > 1 ? undefined : info.overrideHost,
    };
    let host = cluster.pickHost(context);
    if (retries === undefined) return host;
    for (let i = 0; i < retries.hostSelectionAttempts; i++) {
      if (host === undefined || !retries.avoids(host)) break;
      host = cluster.pickHost({ ...context, declined: i + 1 });
    }
    return host;
  }

  protected attemptAt(host: Host, target: AttemptTarget): void {
    this.stream.info.upstreamHost = host;
    const attempt = new UpstreamRequest(this.listener, this.stream, target);
    this.attempt = attempt;
    attempt.start(target);
  }

  /** What the upstream is told that it has left. */
  protected expectedMs(): number {
    const { totalMs, perTryMs } = this.timeouts;
    const expected = perTryMs === 0 || this.hedges ? totalMs : perTryMs;
    if (totalMs === 0 || this.requestEndedMs === 0) return expected;
    const elapsed = this.settings.services.clock.monotonicMs() - this.requestEndedMs;
    return elapsed >= totalMs ? 1 : Math.min(expected, totalMs - elapsed);
  }

  /** Too long to be sent again: the attempt under way is the last. */
  protected onReplayLost(): void {
    if (this.retries === undefined) return;
    this.cluster?.clusterStats.retryOrShadowAbandoned.inc();
    this.retries.end();
    this.retries = undefined;
    if (!this.retryWaits) return;
    this.retryWaits = false;
    this.replyRouted(retryBufferReply);
  }

  protected armPerTry(attempt: UpstreamRequest): void {
    const { timers } = this.settings.services;
    const { perTryMs } = this.timeouts;
    const idleMs = this.route?.retryPolicy?.perTryIdleTimeoutMs ?? 0;
    if (perTryMs > 0 || idleMs > 0) attempt.armTimeouts(timers.of(perTryMs), timers.of(idleMs));
  }

  protected showUpstream({ host, connection: upstream, meter }: UpstreamRequest): void {
    const { info } = this.stream;
    info.upstreamMeter = meter;
    info.upstreamHost = host;
    if (upstream === undefined) return;
    const { connection, protocol } = upstream;
    info.upstreamLocal = connection.local;
    info.upstreamConnectionId = connection.id;
    info.upstreamProtocol = protocol;
    info.upstreamTls = connection.tls;
  }

  protected get retried(): boolean {
    return this.stream.info.attemptCount > 1;
  }

  /** Other attempts whose response may still come, or one that is about to begin. */
  protected othersWait(by: UpstreamRequest): boolean {
    if (this.retryWaits) return true;
    const waits = (attempt: UpstreamRequest): boolean =>
      attempt !== by && !attempt.done && attempt.awaitsHead;
    if (this.attempt !== undefined && waits(this.attempt)) return true;
    return this.slower?.some(waits) ?? false;
  }

  /** Whether the request goes on with another attempt after this one ended without a response. */
  protected retryAfterFailure(
    by: UpstreamRequest,
    failure: AttemptFailure,
    timedOut: boolean,
  ): boolean {
    if (this.responseStarted) return false;
    if (failure === "remote-close" && this.#repeatsAtOnce(by)) return true;
    const retries = this.retries;
    if (retries === undefined || by.retried) return false;
    const started = by.connection !== undefined;
    const decision = retries.onFailure(failure, started, () => this.#onRetry(timedOut));
    if (!this.#accept(decision)) return false;
    by.host.requestsError++;
    return true;
  }

  /**
   * RFC 9110 §9.2.2: a connection that was kept open closed as the request was written, before any byte of an answer. Nobody's policy is
   * needed to repeat what may be repeated, once.
   */
  #repeatsAtOnce(by: UpstreamRequest): boolean {
    const { services } = this.settings;
    const head = this.head;
    if (!by.reused || this.retried || head === undefined || !isIdempotent(head)) return false;
    if (!this.headEnds && this.replay?.body === undefined) return false;
    if (!services.runtime.featureEnabled(closedConnectionKey, 100, 100, 0)) return false;
    this.cluster?.clusterStats.retryClosedConnection.inc();
    this.retryWaits = true;
    this.attempt = undefined;
    // Not within the event of the connection that closes: the pool must have let it go.
    process.nextTick(() => {
      if (!this.done) this.#onRetry(false);
    });
    return true;
  }

  /** Notes what a decision means for the log; true: another attempt will be made. */
  #accept(decision: RetryDecision): boolean {
    const { info } = this.stream;
    if (decision === "yes") this.retryWaits = true;
    else if (decision === "overflow") info.addFlags(ResponseFlag.upstreamOverflow);
    else if (decision === "limit") info.addFlags(ResponseFlag.upstreamRetryLimitExceeded);
    return decision === "yes";
  }

  #onRetry(afterTimeout: boolean): void {
    const route = this.route;
    const head = this.head;
    const { info } = this.stream;
    this.retryWaits = false;
    if (route === undefined || head === undefined) return;
    info.attemptCount++;
    const cluster = this.settings.services.clusters.get(route.clusterName) as
      | CountingCluster
      | undefined;
    const host = cluster === undefined ? undefined : this.pick(cluster, head);
    if (cluster === undefined || host === undefined) {
      if (this.cluster !== undefined) this.onNoHost(this.cluster);
      return;
    }
    info.upstreamHostsAttempted ??= info.upstreamHost === undefined ? [] : [info.upstreamHost];
    info.upstreamHostsAttempted.push(host);
    const expectedMs = this.expectedMs();
    prepareAnotherAttempt({ route, head, info, expectedMs, afterTimeout }, this.settings);
    rewriteHost(route, head, host);
    const headEnds =
      this.headEnds || (this.requestEnded && this.#keptBytes === 0 && this.trailers === undefined);
    this.attemptAt(host, { cluster, host, route, head, headEnds });
    if (!headEnds)
      this.attempt?.sendKept(this.replay?.body ?? [], this.requestEnded, this.trailers);
  }

  get #keptBytes(): number {
    return this.replay?.bytes ?? 0;
  }

  /** The slow attempt goes on beside the next: the first good answer is the client's. */
  protected hedge(by: UpstreamRequest): void {
    const retries = this.retries;
    if (retries === undefined || by.retried) return;
    if (!this.#accept(retries.onHedge(() => this.#onRetry(true)))) return;
    by.retried = true;
    this.slower ??= [];
    this.slower.push(by);
  }

  /** Whether this response is not the client's: another attempt follows, or is under way. */
  protected retriesResponse(
    retries: RetryState,
    by: UpstreamRequest,
    head: ResponseHead,
    end: boolean,
  ): boolean {
    const stats = this.cluster?.clusterStats;
    let refused: boolean;
    if (by.retried) refused = retries.wouldRetry(head);
    else {
      const decision = retries.onResponse(head, () => this.#onRetry(false));
      if (this.#accept(decision)) {
        stats?.countRetried(head.status);
        this.drop(by, end);
        return true;
      }
      refused = decision !== "no";
    }
    if (refused && this.othersWait(by)) {
      this.drop(by, end);
      return true;
    }
    retries.end();
    this.retries = undefined;
    return false;
  }

  protected drop(by: UpstreamRequest, end: boolean): void {
    by.host.requestsError++;
    if (end) by.complete();
    else if (by.release()) this.cluster?.clusterStats.requestTransmitReset.inc();
  }

  /** Let every upstream go, whatever state it is in. */
  protected release(): void {
    this.retries?.end();
    this.retryWaits = false;
    if (this.attempt?.release() === true) this.cluster?.clusterStats.requestTransmitReset.inc();
    if (this.slower !== undefined) this.releaseOthers(undefined);
  }

  protected releaseOthers(by: UpstreamRequest | undefined): void {
    const stats = this.cluster?.clusterStats;
    for (const attempt of [...(this.slower ?? []), this.attempt])
      if (attempt !== undefined && attempt !== by && attempt.release())
        stats?.requestTransmitReset.inc();
    this.slower = undefined;
    if (by !== undefined) this.attempt = by;
  }

  /** The client takes no more: hold the upstream's body. */
  onDownstreamUnwritable(): void {
    if (this.attempt?.onDownstreamUnwritable() === true)
      this.cluster?.clusterStats.flowControlPausedReading.inc();
  }

  onDownstreamWritable(): void {
    if (this.attempt?.onDownstreamWritable() === true)
      this.cluster?.clusterStats.flowControlResumedReading.inc();
  }
}
