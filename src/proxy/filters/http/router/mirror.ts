import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type RequestStream,
  type ResetReason,
  type ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import { Timer } from "#lib/timers.ts";
import { machineAddress } from "#net/machine-address.ts";
import type { ClusterStats } from "../../../cluster/cluster-stats.ts";
import type { Host } from "../../../cluster/host.ts";
import type { Cluster, UpstreamCallbacks, UpstreamFailure } from "../../../cluster/manager.ts";
import type { MirrorPolicy } from "../../../route/mirror-policy.ts";
import type { ForwardAction } from "../../../route/route.ts";
import { StreamInfo } from "../../../stream-info.ts";
import type { ActiveStream } from "../../network/http-connection-manager/active-stream.ts";
import { Backlog } from "./backlog.ts";

export interface MirrorContext {
  readonly stream: ActiveStream;
  readonly route: ForwardAction;
  readonly head: RequestHead;
  readonly headEnds: boolean;
  readonly timeoutMs: number;
  /** Bytes kept for a mirror that does not keep up; past them it is given up. */
  readonly bufferLimit: number;
  /** The stats of the route's cluster, where what is given up is counted. */
  readonly stats: ClusterStats;
}

/** The copies of this request, one for each policy that chose it. */
export function startMirrors(context: MirrorContext): Mirror[] | undefined {
  const { route, head, stream } = context;
  if (head.method === "CONNECT" || head.upgrade !== undefined) return undefined;
  const mirrors: Mirror[] = [];
  for (const policy of route.mirrors) {
    if (!policy.chosen()) continue;
    const cluster = stream.services.clusters.get(policy.clusterOf(head));
    if (cluster !== undefined && !cluster.maintenanceMode)
      mirrors.push(new Mirror(context, policy, cluster));
  }
  for (const mirror of mirrors) mirror.start();
  return mirrors.length === 0 ? undefined : mirrors;
}

/**
 * A copy of a request to a cluster whose answer nobody waits for: it goes on when the request itself has been answered, and neither its
 * slowness nor its failure is felt. Its own timer is the route's timeout.
 */
export class Mirror extends Timer implements UpstreamCallbacks, ResponseSink {
  readonly #cluster: Cluster;
  readonly #context: MirrorContext;
  readonly #head: RequestHead;
  readonly #info: StreamInfo;
  #host: Host | undefined;
  #upstream: RequestStream | undefined;
  #wait: { cancel(): void } | undefined;
  #backlog: Backlog | undefined;
  /** The upstream takes no more for now: what comes is kept. */
  #stopped = false;
  #sent: boolean;
  #answered = false;
  #done = false;

  constructor(context: MirrorContext, policy: MirrorPolicy, cluster: Cluster) {
    super();
    this.#context = context;
    this.#cluster = cluster;
    const { info } = context.stream;
    this.#info = new StreamInfo(info.downstream, info.startWallMs, info.startMs);
    this.#head = copyHead(context.head);
    this.#sent = context.headEnds;
    markInternal(this.#head.headers);
    policy.rewrite(this.#head, info);
  }

  start(): void {
    const { route, stream } = this.#context;
    const host = this.#cluster.pickHost({ head: this.#head, info: this.#info });
    if (host === undefined) {
      this.#done = true;
      return;
    }
    this.#host = host;
    if (this.#sent) this.#armTimeout();
    const wait = this.#cluster.request({
      host,
      head: this.#head,
      downstream: this.#head.version,
      priority: route.priority,
      info: this.#info,
      sink: this,
      callbacks: this,
    });
    if (this.#upstream === undefined && !this.#done) this.#wait = wait;
    if (this.#done) return;
    this.#info.requestHead = stream.request;
  }

  #armTimeout(): void {
    const { stream, timeoutMs } = this.#context;
    stream.services.timers.of(timeoutMs)?.arm(this);
  }

  // === The request's copy ===

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.#done) return;
    if (end) this.#ended();
    if (this.#upstream !== undefined && !this.#stopped) this.#upstream.sendData(chunk, end);
    else this.#keep(chunk, end, undefined);
  }

  sendTrailers(trailers: HeaderList): void {
    if (this.#done) return;
    this.#ended();
    const copy = trailers.copy();
    if (this.#upstream !== undefined && !this.#stopped) this.#upstream.sendTrailers(copy);
    else this.#keep(undefined, true, copy);
  }

  #ended(): void {
    this.#sent = true;
    this.#armTimeout();
  }

  #keep(chunk: Uint8Array | undefined, end: boolean, trailers: HeaderList | undefined): void {
    this.#backlog ??= new Backlog();
    this.#backlog.add(chunk, end, trailers);
    if (this.#backlog.size <= this.#context.bufferLimit) return;
    this.#context.stats.retryOrShadowAbandoned.inc();
    this.abandon();
  }

  /** The request itself was cut short, or the mirror costs too much. */
  abandon(): void {
    if (this.#done) return;
    this.#finish();
    this.#wait?.cancel();
    this.#upstream?.reset("local");
  }

  /** The client is gone before all of the request came: a part of one is no use to a mirror. */
  onClientGone(): void {
    if (!this.#sent) this.abandon();
  }

  // === The pool ===

  onReady(upstream: RequestStream): void {
    this.#wait = undefined;
    this.#upstream = upstream;
    this.#info.upstreamProtocol = 11;
    this.#host?.outlier?.onConnected();
    upstream.sendHead(this.#head, this.#context.headEnds);
    this.#flush(upstream);
  }

  #flush(upstream: RequestStream): void {
    const backlog = this.#backlog;
    if (backlog === undefined || this.#done) return;
    this.#backlog = undefined;
    backlog.sendTo(upstream);
  }

  onFailure(failure: UpstreamFailure): void {
    if (failure.kind !== "overflow") this.#host?.outlier?.onFailure();
    this.#finish();
  }

  // === Its answer, which is only counted ===

  onInformational(): void {}

  onHead(head: ResponseHead, end: boolean): void {
    this.#answered = true;
    this.#host?.outlier?.onAnswer(this.#head, head);
    // Proof: clusters of a worker have these stats; the interface leaves them out for callers that do not count.
    const { clusterStats } = this.#cluster as Cluster & { readonly clusterStats: ClusterStats };
    const external = this.#head.headers.get("x-envoy-internal") !== "true";
    clusterStats.countResponse(head.status, external);
    if (end) this.#complete();
  }

  onData(_chunk: Uint8Array, end: boolean): void {
    if (end) this.#complete();
  }

  onTrailers(): void {
    this.#complete();
  }

  #complete(): void {
    const upstream = this.#upstream;
    const early = !this.#sent;
    this.#finish();
    if (early && upstream !== undefined) process.nextTick(() => upstream.reset("local"));
  }

  onReset(_reason: ResetReason): void {
    if (!this.#done) this.#host?.outlier?.onFailure();
    this.#finish();
  }

  onUnwritable(): void {
    this.#stopped = true;
  }

  onWritable(): void {
    this.#stopped = false;
    if (this.#upstream !== undefined) this.#flush(this.#upstream);
  }

  onTimer(): void {
    if (this.#upstream !== undefined && !this.#answered) this.#host?.outlier?.onTimeout(504);
    this.abandon();
  }

  #finish(): void {
    this.#done = true;
    this.cancel();
    this.#backlog = undefined;
  }
}

function copyHead(head: RequestHead): RequestHead {
  const copy = new RequestHead(
    head.method,
    head.path,
    head.authority,
    head.version,
    new HeaderList(head.headers.list.slice()),
  );
  copy.scheme = head.scheme;
  return copy;
}

/** As Envoy: a copy is this proxy's own request, and says so. */
function markInternal(headers: HeaderList): void {
  headers.set("x-envoy-internal", "true");
  const address = machineAddress();
  if (address === undefined) return;
  const before = headers.get("x-forwarded-for") ?? "";
  headers.set("x-forwarded-for", before === "" ? address : `${before},${address}`);
}
