import type { HeaderList } from "#http/headers.ts";
import type {
  RequestHead,
  RequestStream,
  ResetReason,
  ResponseHead,
  ResponseSink,
} from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import type { ClusterStats } from "../../../cluster/cluster-stats.ts";
import type { Host } from "../../../cluster/host.ts";
import type {
  Cluster,
  UpstreamCallbacks,
  UpstreamFailure,
  UpstreamStream,
} from "../../../cluster/manager.ts";
import { connectErrorText } from "../../../connect-error.ts";
import { inlineResponseHeaders, joinRepeated } from "../../../inline-headers.ts";
import { TcpUpstream } from "../../../pool/tcp-upstream.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { RequestTally } from "../../../route/request-stats.ts";
import type { ForwardAction } from "../../../route/route.ts";
import type { Services } from "../../../services.ts";
import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import type { HttpFilter, LocalReply, Verdict } from "../filter.ts";
import { Backlog } from "./backlog.ts";
import { followRedirect, type RedirectCounters } from "./internal-redirect.ts";
import { Replay, replayLimit } from "./replay.ts";
import {
  connectFailureReply,
  directReply,
  dropReply,
  maintenanceReply,
  redirectReply,
  resetReply,
} from "./replies.ts";
import { requestTimeouts } from "./timeouts.ts";
import { prepareUpstreamHead } from "./upstream-head.ts";

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

type State = "new" | "waiting" | "sending" | "done";

/**
 * Route → cluster → host → pool → upstream stream, and the answer back. Its own timer is the route timeout, which begins when the
 * request has been read whole.
 */
export class Router extends Timer implements HttpFilter, UpstreamCallbacks, ResponseSink {
  readonly #settings: RouterSettings;
  readonly #stream: ActiveStream;
  #state: State = "new";
  #route: ForwardAction | undefined;
  #cluster: (Cluster & { readonly clusterStats: ClusterStats }) | undefined;
  #host: Host | undefined;
  #head: RequestHead | undefined;
  #headEnds = false;
  #requestSent = false;
  #wait: { cancel(): void } | undefined;
  #upstream: RequestStream | undefined;
  #backlog: Backlog | undefined;
  #replay: Replay | undefined;
  #responseStarted = false;
  #downstreamHeld = false;
  #upstreamHeld = false;
  #tally: RequestTally | undefined;
  #timeoutMs = 0;
  #altTimeoutStatus = 504;

  constructor(settings: RouterSettings, stream: ActiveStream) {
    super();
    this.#settings = settings;
    this.#stream = stream;
  }

  // === Request ===

  onRequestHead(stream: ActiveStream, head: RequestHead, end: boolean): Verdict {
    const { route } = stream;
    this.#settings.requests.inc();
    if (route === undefined) {
      this.#settings.noRoute.inc();
      this.#reply({ status: 404, details: "route_not_found", flags: ResponseFlag.noRouteFound });
      return "park";
    }
    switch (route.kind) {
      case "direct":
        this.#settings.directResponse.inc();
        this.#replyRouted(directReply(route, stream.info));
        return "park";
      case "redirect":
        this.#settings.directResponse.inc();
        this.#replyRouted(redirectReply(route, head, stream.info));
        return "park";
      case "none":
        this.#reply({ status: 404, details: "route_not_found", flags: ResponseFlag.noRouteFound });
        return "park";
      default:
        this.#forward(route, head, end);
        return "park";
    }
  }

  #reply(reply: LocalReply): void {
    this.#state = "done";
    this.cancel();
    this.#stream.reply(reply);
  }

  /** Replies of a matched route take its response header changes; made by `respondRouted` when the head passes. */
  #replyRouted(reply: LocalReply): void {
    this.#stream.replyHeaders = this.#stream.route?.headers;
    this.#reply(reply);
  }

  #forward(route: ForwardAction, head: RequestHead, end: boolean): void {
    const { clusters } = this.#settings.services;
    const { info } = this.#stream;
    this.#route = route;
    this.#head = head;
    this.#headEnds = end;
    if (!end && route.internalRedirect !== undefined)
      this.#replay = new Replay(replayLimit(route, this.#stream.settings.bufferLimit));
    const cluster = clusters.get(route.clusterName);
    if (cluster === undefined) {
      this.#settings.noCluster.inc();
      this.#replyRouted({
        status: route.clusterNotFoundStatus,
        details: "cluster_not_found",
        flags: ResponseFlag.noClusterFound,
      });
      return;
    }
    this.#cluster = cluster as Cluster & { readonly clusterStats: ClusterStats };
    info.clusterName = cluster.name;
    info.clusterMetadata = cluster.metadata;
    if (route.tally !== undefined) {
      this.#tally = route.tally(head);
      info.virtualClusterName = this.#tally.virtualClusterName;
    }
    if (cluster.maintenanceMode) {
      this.#cluster.clusterStats.requestMaintenance.inc();
      this.#replyRouted(maintenanceReply);
      return;
    }
    const drops = cluster.drops;
    if (drops !== undefined) {
      this.#replyFailed(dropReply(drops, this.#settings.envoyHeaders));
      return;
    }
    const timeouts = requestTimeouts(head, route, this.#settings);
    if (timeouts.invalidHeader !== undefined) {
      this.#replyRouted({
        status: 400,
        body: `invalid header '${timeouts.invalidHeader}' with value '${head.headers.get(timeouts.invalidHeader) ?? ""}'`,
        details: `request_headers_failed_strict_check{${timeouts.invalidHeader}}`,
        flags: ResponseFlag.invalidEnvoyRequestHeaders,
      });
      return;
    }
    this.#timeoutMs = timeouts.totalMs;
    this.#altTimeoutStatus = timeouts.alternativeStatus;
    this.#send(route, cluster, head);
  }

  #send(route: ForwardAction, cluster: Cluster, head: RequestHead): void {
    const stream = this.#stream;
    const { info } = stream;
    const host = cluster.pickHost({ originalDestination: info.downstream.local, head, info });
    if (host === undefined) {
      this.#cluster?.clusterStats.connectionNoneHealthy.inc();
      this.#replyFailed({
        status: 503,
        body: "no healthy upstream",
        details: "no_healthy_upstream",
        flags: ResponseFlag.noHealthyUpstream,
      });
      return;
    }
    this.#host = host;
    info.upstreamHost = host;
    info.attemptCount = 1;
    prepareUpstreamHead({ route, head, info, host, timeoutMs: this.#timeoutMs }, this.#settings);
    if (stream.requestEnded) this.#armTimeout();
    this.#state = "waiting";
    stream.producer = this;
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
    // The answer may have come while `request` ran.
    if (this.#state === "waiting") this.#wait = wait;
  }

  #armTimeout(): void {
    if (this.#timeoutMs > 0) this.#settings.services.timers.of(this.#timeoutMs)?.arm(this);
  }

  onRequestData(_stream: ActiveStream, chunk: Uint8Array, end: boolean): Verdict {
    this.#replay?.add(chunk);
    if (this.#state === "sending") {
      this.#upstream?.sendData(chunk, end);
      this.#stream.info.upstreamWireBytesSent += chunk.length;
    } else if (this.#state === "waiting") this.#keep(chunk, end, undefined);
    if (end) this.#onRequestEnd();
    return "park";
  }

  onRequestTrailers(_stream: ActiveStream, trailers: HeaderList): Verdict {
    if (this.#state === "sending") this.#upstream?.sendTrailers(trailers);
    else if (this.#state === "waiting") this.#keep(undefined, true, trailers);
    this.#onRequestEnd();
    return "park";
  }

  #onRequestEnd(): void {
    if (this.#state === "done") return;
    this.#requestSent = this.#state === "sending";
    if (this.#requestSent)
      this.#stream.info.upstreamRequestEndMs = this.#settings.services.clock.monotonicMs();
    // A tunnel that is open has been answered: its other side may go on for as long as it likes.
    const head = this.#head;
    const isTunnel = head?.upgrade !== undefined || head?.method === "CONNECT";
    if (!isTunnel || !this.#responseStarted) this.#armTimeout();
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

  onReady(upstream: UpstreamStream): void {
    const { info } = this.#stream;
    const now = this.#settings.services.clock.monotonicMs();
    this.#wait = undefined;
    this.#state = "sending";
    this.#upstream = upstream.stream;
    if (this.#tally !== undefined) for (const stats of this.#tally.stats) stats.requestTotal.inc();
    info.upstreamLocal = upstream.connection.local;
    info.upstreamConnectionId = upstream.connection.id;
    info.upstreamProtocol = upstream.protocol;
    info.upstreamTls = upstream.connection.tls;
    info.upstreamRequestStartMs = now;
    const head = this.#head;
    if (head === undefined) return;
    // The client of an HTTP/2 connection may be slow already, by other streams' answers.
    if (this.#stream.responseStopped) this.onDownstreamUnwritable();
    upstream.stream.sendHead(head, this.#headEnds);
    if (this.#headEnds) {
      this.#requestSent = true;
      info.upstreamRequestEndMs = now;
    }
    this.#sendBacklog(upstream.stream);
  }

  #sendBacklog(upstream: RequestStream): void {
    const backlog = this.#backlog;
    if (backlog === undefined) return;
    this.#backlog = undefined;
    backlog.sendTo(upstream);
    if (backlog.end) {
      this.#requestSent = true;
      this.#stream.info.upstreamRequestEndMs = this.#settings.services.clock.monotonicMs();
    }
    if (backlog.held) this.#stream.unpauseRequest();
  }

  onFailure(failure: UpstreamFailure): void {
    this.#wait = undefined;
    if (failure.kind === "connect-failure")
      this.#stream.info.upstreamTransportFailureReason = connectErrorText(failure.detail);
    this.#replyFailed(connectFailureReply(failure, this.#settings.envoyHeaders));
  }

  /** An answer in the upstream's stead counts as its response code, as in Envoy. */
  #replyFailed(reply: LocalReply): void {
    if (this.#settings.dynamicStats) {
      this.#cluster?.clusterStats.countResponse(reply.status, this.#external);
      if (this.#tally !== undefined)
        for (const stats of this.#tally.stats) stats.countResponse(reply.status);
    }
    if (this.#host !== undefined) this.#host.requestsError++;
    this.#replyRouted(reply);
  }

  get #external(): boolean {
    return this.#head?.headers.get("x-envoy-internal") !== "true";
  }

  // === Response ===

  onInformational(head: ResponseHead): void {
    if (head.status === 100 && !this.#stream.settings.proxy100Continue) return;
    if (this.#stream.settings.proxy100Continue) this.#stream.respondInformational(head);
  }

  onHead(head: ResponseHead, end: boolean): void {
    const stream = this.#stream;
    const { info } = stream;
    const now = this.#settings.services.clock.monotonicMs();
    this.#responseStarted = true;
    joinRepeated(head.headers, inlineResponseHeaders);
    info.upstreamResponseStartMs = now;
    info.responseCodeDetails = "via_upstream";
    info.responseCode = head.status;
    info.responseHead = head;
    const route = this.#route;
    if (route?.internalRedirect !== undefined && this.#redirect(route, head, end)) return;
    if (this.#cluster !== undefined) this.#count(head.status, now);
    if (this.#settings.envoyHeaders) {
      head.headers.set(
        "x-envoy-upstream-service-time",
        String(Math.round(now - (info.requestEndMs || info.startMs))),
      );
    }
    if (route?.includeAttemptCountResponse === true)
      head.headers.set("x-envoy-attempt-count", String(info.attemptCount));
    if (route?.headers?.changesResponse === true) route.headers.response(head, info);
    if (end) this.#onResponseEnd();
    stream.respondHead(head, end);
  }

  #redirect(route: ForwardAction, head: ResponseHead, end: boolean): boolean {
    const stream = this.#stream;
    const { redirects: counters } = this.#settings;
    const stats = this.#cluster?.clusterStats;
    const body = followRedirect({ stream, route, counters, stats, replay: this.#replay }, head);
    if (body === undefined) return false;
    if (end) this.#onResponseEnd();
    else this.#release();
    stream.recreate(body);
    return true;
  }

  #count(status: number, now: number): void {
    const stats = this.#cluster?.clusterStats;
    if (stats === undefined) return;
    const host = this.#host;
    if (host !== undefined) {
      if (status >= 500) host.requestsError++;
      else host.requestsSuccess++;
    }
    if (!this.#settings.dynamicStats) return;
    const external = this.#external;
    stats.countResponse(status, external);
    stats.countTime(now - this.#stream.info.startMs, external);
    if (this.#tally === undefined) return;
    for (const tallied of this.#tally.stats) {
      tallied.countResponse(status);
      tallied.countTime(now - this.#stream.info.startMs);
    }
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.#stream.info.upstreamWireBytesReceived += chunk.length;
    if (end) this.#onResponseEnd();
    this.#stream.respondData(chunk, end);
  }

  onTrailers(trailers: HeaderList): void {
    this.#onResponseEnd();
    this.#stream.respondTrailers(trailers);
  }

  #onResponseEnd(): void {
    this.cancel();
    this.#stream.info.upstreamResponseEndMs = this.#settings.services.clock.monotonicMs();
    const upstream = this.#upstream;
    this.#state = "done";
    // The end may have come in the same read as what made the client slow: the pool's next request needs the connection read.
    if (this.#upstreamHeld) this.onDownstreamWritable();
    // An answer before the end of the request: the connection would be out of step.
    // Not now: the codec is still inside the event that ended the response.
    if (!this.#requestSent && upstream !== undefined)
      process.nextTick(() => upstream.reset("local"));
    this.#upstream = undefined;
  }

  onReset(reason: ResetReason, detail: string): void {
    if (this.#state === "done") return;
    this.#upstream = undefined;
    this.cancel();
    this.#cluster?.clusterStats.countReset(reason, this.#stream.info.upstreamProtocol);
    const reply = resetReply(reason, detail);
    if (this.#responseStarted) {
      this.#state = "done";
      this.#stream.abort(`upstream_reset_after_response_started{${reply.reason}}`, reply.flags);
      return;
    }
    this.#replyFailed(reply.reply);
  }

  // === Flow control ===

  /** The upstream takes no more: hold the client's body. */
  onUnwritable(): void {
    if (this.#downstreamHeld || this.#state === "done") return;
    this.#downstreamHeld = true;
    this.#stream.pauseRequest();
  }

  onWritable(): void {
    if (!this.#downstreamHeld) return;
    this.#downstreamHeld = false;
    this.#stream.unpauseRequest();
  }

  /** The client takes no more: hold the upstream's body. */
  onDownstreamUnwritable(): void {
    if (this.#upstreamHeld || this.#upstream === undefined) return;
    this.#upstreamHeld = true;
    this.#cluster?.clusterStats.flowControlPausedReading.inc();
    this.#upstream.pause();
  }

  onDownstreamWritable(): void {
    if (!this.#upstreamHeld) return;
    this.#upstreamHeld = false;
    this.#cluster?.clusterStats.flowControlResumedReading.inc();
    this.#upstream?.resume();
  }

  // === Ends ===

  /** The route timeout. */
  onTimer(): void {
    if (this.#state === "done") return;
    this.#cluster?.clusterStats.requestTimeout.inc();
    if (this.#tally !== undefined)
      for (const stats of this.#tally.stats) stats.requestTimeout.inc();
    if (this.#host !== undefined) this.#host.requestsTimeout++;
    this.#release();
    if (this.#responseStarted) {
      this.#state = "done";
      this.#stream.abort("response_timeout", ResponseFlag.upstreamRequestTimeout);
      return;
    }
    const status = this.#altTimeoutStatus;
    this.#replyFailed({
      status,
      body: status === 504 ? "upstream request timeout" : "",
      details: "response_timeout",
      flags: ResponseFlag.upstreamRequestTimeout,
      grpcStatus: 14,
    });
  }

  onDone(): void {
    this.cancel();
    this.#stream.producer = undefined;
    if (this.#state !== "done") {
      this.#state = "done";
      this.#release();
    }
    if (this.#downstreamHeld) this.onWritable();
    if (this.#backlog?.held === true) this.#stream.unpauseRequest();
    this.#backlog = undefined;
  }

  /** Let the upstream go, whatever state it is in. */
  #release(): void {
    this.#wait?.cancel();
    this.#wait = undefined;
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream === undefined) return;
    if (this.#upstreamHeld) upstream.resume();
    this.#upstreamHeld = false;
    this.#cluster?.clusterStats.requestTransmitReset.inc();
    upstream.reset("local");
  }
}
