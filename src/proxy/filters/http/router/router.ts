import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResetReason, ResponseHead } from "#http/message.ts";
import type { Host } from "../../../cluster/host.ts";
import type { UpstreamFailure } from "../../../cluster/manager.ts";
import { connectErrorText } from "../../../connect-error.ts";
import { inlineResponseHeaders, joinRepeated } from "../../../inline-headers.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import { addHashCookies } from "../../../route/hash-policy.ts";
import type { RequestTally } from "../../../route/request-stats.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { Services } from "../../../services.ts";
import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import type { HttpFilter, LocalReply, Verdict } from "../filter.ts";
import { Attempts, type CountingCluster } from "./attempts.ts";
import { takeEnvoyHeaders } from "./envoy-headers.ts";
import { followRedirect, type RedirectCounters } from "./internal-redirect.ts";
import { type Mirror, startMirrors } from "./mirror.ts";
import { Replay, replayLimit } from "./replay.ts";
import {
  attemptFailure,
  connectFailureReply,
  directReply,
  dropReply,
  invalidHeaderReply,
  maintenanceReply,
  noHealthyReply,
  noRouteReply,
  redirectReply,
  resetReply,
  timeoutReply,
  withAttemptCount,
} from "./replies.ts";
import { RetryState } from "./retry-state.ts";
import { invalidHeader, requestTimeouts } from "./timeouts.ts";
import { prepareUpstreamHead, rewriteHost } from "./upstream-head.ts";
import type { AttemptListener, UpstreamRequest } from "./upstream-request.ts";

/** One router filter's configuration and its connection manager's counters. */
export interface RouterSettings {
  readonly services: Services;
  readonly scope: StatsScope;
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly directResponse: Counter;
  readonly requests: Counter;
  readonly redirects: RedirectCounters;
  /** Send x-envoy-* headers, both ways. */
  readonly envoyHeaders: boolean;
  readonly dynamicStats: boolean;
  readonly respectExpectedTimeout: boolean;
  readonly strictHeaders: readonly string[];
}

/**
 * Route → cluster → host → pool → upstream stream, and the answer back; again, where a policy allows it. Its own timer is the route
 * timeout, which begins when the request has been read whole and covers all attempts.
 */
export class Router extends Attempts implements HttpFilter, AttemptListener {
  #mirrors: Mirror[] | undefined;
  #tally: RequestTally | undefined;

  protected get listener(): AttemptListener {
    return this;
  }

  // === Request ===

  onRequestHead(stream: ActiveStream, head: RequestHead, end: boolean): Verdict {
    const { route } = stream;
    this.settings.requests.inc();
    if (route === undefined) {
      this.settings.noRoute.inc();
      this.#reply(noRouteReply);
      return "park";
    }
    switch (route.kind) {
      case "direct":
        this.settings.directResponse.inc();
        this.replyRouted(directReply(route, stream.info));
        return "park";
      case "redirect":
        this.settings.directResponse.inc();
        this.replyRouted(redirectReply(route, head, stream.info));
        return "park";
      case "none":
        this.#reply(noRouteReply);
        return "park";
      default:
        this.#forward(route, head, end);
        return "park";
    }
  }

  #reply(reply: LocalReply): void {
    this.done = true;
    this.cancel();
    // With hedging a slow attempt may still be under way.
    this.release();
    this.stream.reply(reply);
  }

  /** Replies of a matched route take its response header changes; made by `respondRouted` when the head passes. */
  protected replyRouted(reply: LocalReply): void {
    this.stream.replyHeaders = this.stream.route?.headers;
    this.#reply(reply);
  }

  #forward(route: ForwardAction, head: RequestHead, end: boolean): void {
    const { clusters } = this.settings.services;
    const { info } = this.stream;
    this.route = route;
    this.head = head;
    this.headEnds = end;
    this.requestEnded = end;
    this.requestEndedMs = info.requestEndMs;
    const cluster = clusters.get(route.clusterName);
    if (cluster === undefined) {
      this.settings.noCluster.inc();
      this.replyRouted({
        status: route.clusterNotFoundStatus,
        details: "cluster_not_found",
        flags: ResponseFlag.noClusterFound,
      });
      return;
    }
    this.cluster = cluster as CountingCluster;
    info.clusterName = cluster.name;
    info.clusterMetadata = cluster.metadata;
    if (route.tally !== undefined) {
      this.#tally = route.tally(head);
      info.virtualClusterName = this.#tally.virtualClusterName;
    }
    if (cluster.maintenanceMode) {
      this.cluster.clusterStats.requestMaintenance.inc();
      this.replyRouted(maintenanceReply);
      return;
    }
    const drops = cluster.drops;
    if (drops !== undefined) {
      this.#replyFailed(dropReply(drops, this.settings.envoyHeaders), undefined);
      return;
    }
    this.#prepare(route, head);
  }

  /** What the request itself asks for, and all that decides about further attempts. */
  #prepare(route: ForwardAction, head: RequestHead): void {
    const { strictHeaders, services } = this.settings;
    const cluster = this.cluster as CountingCluster;
    if (strictHeaders.length > 0) {
      const invalid = invalidHeader(head, strictHeaders);
      if (invalid !== undefined) {
        this.replyRouted(invalidHeaderReply(invalid, head));
        return;
      }
    }
    const asked = takeEnvoyHeaders(head.headers);
    this.timeouts = requestTimeouts(head, route, asked, this.settings);
    this.hedges = asked?.hedgeOnPerTryTimeout ?? route.hedgeOnPerTryTimeout;
    if (route.retryPolicy !== undefined || asked !== undefined)
      this.retries = RetryState.of(
        {
          services,
          cluster,
          stats: cluster.clusterStats,
          tally: this.#tally,
          route,
          head,
        },
        asked,
      );
    const keepsBody = route.internalRedirect !== undefined || this.retries?.enabled === true;
    if (keepsBody && !this.headEnds)
      this.replay = new Replay(replayLimit(route, this.stream.settings.bufferLimit));
    this.#begin(route, cluster, head);
  }

  #begin(route: ForwardAction, cluster: CountingCluster, head: RequestHead): void {
    const { info } = this.stream;
    info.attemptCount = 1;
    const expectedMs = this.expectedMs();
    // Before a host is picked: hash policies read what the upstream will.
    prepareUpstreamHead({ route, head, info, expectedMs }, this.settings);
    const host = this.pick(cluster, head);
    if (host === undefined) {
      this.onNoHost(cluster);
      return;
    }
    rewriteHost(route, head, host);
    this.stream.producer = this;
    if (route.mirrors.length > 0) this.#startMirrors(route, head);
    if (this.requestEnded) this.#armTimeout();
    this.attemptAt(host, { cluster, host, route, head, headEnds: this.headEnds });
  }

  #startMirrors(route: ForwardAction, head: RequestHead): void {
    this.#mirrors = startMirrors({
      stream: this.stream,
      route,
      head,
      headEnds: this.headEnds,
      timeoutMs: this.timeouts.totalMs,
      bufferLimit: replayLimit(route, this.stream.settings.bufferLimit),
      stats: (this.cluster as CountingCluster).clusterStats,
    });
  }

  protected onNoHost(cluster: CountingCluster): void {
    cluster.clusterStats.connectionNoneHealthy.inc();
    this.#replyFailed(noHealthyReply, undefined);
  }

  #armTimeout(): void {
    const { totalMs } = this.timeouts;
    if (totalMs > 0) this.settings.services.timers.of(totalMs)?.arm(this);
  }

  onRequestData(_stream: ActiveStream, chunk: Uint8Array, end: boolean): Verdict {
    if (this.done) return "park";
    if (this.replay !== undefined && !this.replay.add(chunk)) this.onReplayLost();
    if (this.done) return "park";
    this.attempt?.sendData(chunk, end);
    if (this.#mirrors !== undefined)
      for (const mirror of this.#mirrors) mirror.sendData(chunk, end);
    if (end) this.#onRequestEnd();
    return "park";
  }

  onRequestTrailers(_stream: ActiveStream, trailers: HeaderList): Verdict {
    if (this.done) return "park";
    this.trailers = trailers;
    this.attempt?.sendTrailers(trailers);
    if (this.#mirrors !== undefined)
      for (const mirror of this.#mirrors) mirror.sendTrailers(trailers);
    this.#onRequestEnd();
    return "park";
  }

  #onRequestEnd(): void {
    if (this.done) return;
    const now = this.settings.services.clock.monotonicMs();
    this.requestEnded = true;
    this.requestEndedMs = now;
    if (this.attempt?.requestSent === true) this.stream.info.upstreamRequestEndMs = now;
    // A tunnel that is open has been answered: its other side may go on for as long as it likes.
    const head = this.head;
    const isTunnel = head?.upgrade !== undefined || head?.method === "CONNECT";
    if (isTunnel && this.responseStarted) return;
    this.#armTimeout();
    if (this.attempt?.sending === true) this.armPerTry(this.attempt);
  }

  // === The pool's answer ===

  onAttemptReady(by: UpstreamRequest): void {
    const { info } = this.stream;
    const now = this.settings.services.clock.monotonicMs();
    if (this.#tally !== undefined) for (const stats of this.#tally.stats) stats.requestTotal.inc();
    this.retries?.onHostAttempted(by.host);
    this.showUpstream(by);
    info.upstreamRequestStartMs = now;
    if (!this.requestEnded) return;
    info.upstreamRequestEndMs = now;
    this.armPerTry(by);
  }

  onAttemptFailure(by: UpstreamRequest, failure: UpstreamFailure): void {
    if (failure.kind === "connect-failure")
      this.stream.info.upstreamTransportFailureReason = connectErrorText(failure.detail);
    if (failure.kind !== "overflow") this.retries?.onHostAttempted(by.host);
    if (this.retryAfterFailure(by, attemptFailure(failure), false)) return;
    const { envoyHeaders } = this.settings;
    const reply = connectFailureReply(failure, { envoyHeaders, retried: this.retried });
    this.#failOrWait(by, reply);
  }

  /** Nothing is said while another attempt may still succeed. */
  #failOrWait(by: UpstreamRequest, reply: LocalReply): void {
    if (this.othersWait(by)) {
      by.host.requestsError++;
      return;
    }
    this.#replyFailed(reply, by.host);
  }

  /** An answer in the upstream's stead counts as its response code, as in Envoy. */
  #replyFailed(reply: LocalReply, host: Host | undefined): void {
    this.retries?.end();
    if (this.settings.dynamicStats) {
      this.cluster?.clusterStats.countResponse(reply.status, this.#external);
      if (this.#tally !== undefined)
        for (const stats of this.#tally.stats) stats.countResponse(reply.status);
    }
    if (host !== undefined) host.requestsError++;
    this.replyRouted(withAttemptCount(reply, this.route, this.stream.info));
  }

  get #external(): boolean {
    return this.head?.headers.get("x-envoy-internal") !== "true";
  }

  onAttemptTimeout(by: UpstreamRequest, idle: boolean): void {
    if (this.done) return;
    const stats = this.cluster?.clusterStats;
    if (!by.retried) by.countTimeout(this.timeouts.alternativeStatus);
    if (this.hedges && !this.responseStarted) {
      this.hedge(by);
      return;
    }
    (idle ? stats?.perTryIdleTimeout : stats?.perTryTimeout)?.inc();
    by.host.requestsTimeout++;
    if (by.release()) stats?.requestTransmitReset.inc();
    if (this.retryAfterFailure(by, "local", true)) return;
    const details = idle ? "upstream_per_try_idle_timeout" : "upstream_per_try_timeout";
    if (this.responseStarted) this.#abort(details, ResponseFlag.upstreamRequestTimeout);
    else this.#replyFailed(timeoutReply(this.timeouts.alternativeStatus, details), by.host);
  }

  // === Response ===

  onAttemptInformational(by: UpstreamRequest, head: ResponseHead): void {
    // What follows it must come from the same upstream.
    this.retries?.end();
    this.retries = undefined;
    this.releaseOthers(by);
    if (this.stream.settings.proxy100Continue) this.stream.respondInformational(head);
  }

  onAttemptHead(by: UpstreamRequest, head: ResponseHead, end: boolean): void {
    const stream = this.stream;
    const { info } = stream;
    joinRepeated(head.headers, inlineResponseHeaders);
    const retries = this.retries;
    if (retries !== undefined && this.retriesResponse(retries, by, head, end)) return;
    const now = this.settings.services.clock.monotonicMs();
    this.responseStarted = true;
    if (this.slower !== undefined) {
      this.releaseOthers(by);
      this.showUpstream(by);
    }
    info.upstreamResponseStartMs = now;
    info.responseCodeDetails = "via_upstream";
    info.responseCode = head.status;
    info.responseHead = head;
    const route = this.route;
    if (route?.internalRedirect !== undefined && this.#redirect(by, route, head, end)) return;
    this.replay = undefined;
    if (this.cluster !== undefined) this.#count(by, head.status, now);
    if (this.settings.envoyHeaders) {
      head.headers.set(
        "x-envoy-upstream-service-time",
        String(Math.round(now - (info.requestEndMs || info.startMs))),
      );
    }
    if (route?.includeAttemptCountResponse === true)
      head.headers.set("x-envoy-attempt-count", String(info.attemptCount));
    if (route?.headers?.changesResponse === true) route.headers.response(head, info);
    addHashCookies(head.headers, info);
    if (end) this.#onResponseEnd(by);
    stream.respondHead(head, end);
  }

  #redirect(by: UpstreamRequest, route: ForwardAction, head: ResponseHead, end: boolean): boolean {
    const stream = this.stream;
    const { redirects: counters } = this.settings;
    const stats = this.cluster?.clusterStats;
    const body = followRedirect({ stream, route, counters, stats, replay: this.replay }, head);
    if (body === undefined) return false;
    if (end) this.#onResponseEnd(by);
    else this.release();
    stream.recreate(body);
    return true;
  }

  #count(by: UpstreamRequest, status: number, now: number): void {
    const stats = this.cluster?.clusterStats;
    if (stats === undefined) return;
    if (status >= 500) by.host.requestsError++;
    else by.host.requestsSuccess++;
    if (!this.settings.dynamicStats) return;
    const external = this.#external;
    stats.countResponse(status, external);
    stats.countTime(now - this.stream.info.startMs, external);
    if (this.#tally === undefined) return;
    for (const tallied of this.#tally.stats) {
      tallied.countResponse(status);
      tallied.countTime(now - this.stream.info.startMs);
    }
  }

  onAttemptData(by: UpstreamRequest, chunk: Uint8Array, end: boolean): void {
    if (end) this.#onResponseEnd(by);
    this.stream.respondData(chunk, end);
  }

  onAttemptTrailers(by: UpstreamRequest, trailers: HeaderList): void {
    this.#onResponseEnd(by);
    this.stream.respondTrailers(trailers);
  }

  #onResponseEnd(by: UpstreamRequest): void {
    this.cancel();
    this.stream.info.upstreamResponseEndMs = this.settings.services.clock.monotonicMs();
    this.done = true;
    by.complete();
  }

  onAttemptReset(by: UpstreamRequest, reason: ResetReason, _detail: string): void {
    this.cluster?.clusterStats.countReset(reason, this.stream.info.upstreamProtocol);
    if (this.retryAfterFailure(by, reason, false)) return;
    const reply = resetReply(reason, this.retried);
    if (this.responseStarted) {
      this.cancel();
      this.#abort(`upstream_reset_after_response_started{${reply.reason}}`, reply.flags);
      return;
    }
    this.#failOrWait(by, reply.reply);
  }

  // === Ends ===

  /** The route timeout. */
  onTimer(): void {
    if (this.done) return;
    const host = this.attempt?.host;
    if (this.attempt !== undefined) this.#countTimeout(this.attempt);
    if (this.slower !== undefined)
      for (const attempt of this.slower) if (attempt !== this.attempt) this.#countTimeout(attempt);
    this.release();
    if (this.responseStarted) this.#abort("response_timeout", ResponseFlag.upstreamRequestTimeout);
    else this.#replyFailed(timeoutReply(this.timeouts.alternativeStatus, "response_timeout"), host);
  }

  #countTimeout(attempt: UpstreamRequest): void {
    if (attempt.done) return;
    this.cluster?.clusterStats.requestTimeout.inc();
    if (this.#tally !== undefined)
      for (const stats of this.#tally.stats) stats.requestTimeout.inc();
    attempt.host.requestsTimeout++;
    if (attempt.awaitsHead) attempt.countTimeout(this.timeouts.alternativeStatus);
  }

  #abort(details: string, flags: number): void {
    this.done = true;
    this.stream.abort(details, flags);
  }

  onDone(): void {
    this.cancel();
    this.stream.producer = undefined;
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.onClientGone();
    if (this.done) {
      this.retries?.end();
      return;
    }
    this.done = true;
    this.release();
  }
}
