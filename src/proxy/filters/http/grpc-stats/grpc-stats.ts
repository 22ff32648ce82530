import { MessageCounter } from "#grpc/message-counter.ts";
import { isGrpcContentType } from "#grpc/status.ts";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Services } from "../../../services.ts";
import type { StatsScope } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";

export interface GrpcStatsSettings {
  readonly services: Services;
  /** `service.method.` or ""; undefined: the call is not counted. */
  readonly nameOf: (path: string) => string | undefined;
  readonly emitsFilterState: boolean;
  readonly upstreamTime: boolean;
}

const filterStateKey = "envoy.filters.http.grpc_stats";

/** envoy.extensions.filters.http.grpc_stats.v3.FilterObject. */
class MessageCounts {
  requests = 0;
  responses = 0;

  toString(): string {
    return `${this.requests},${this.responses}`;
  }

  toJSON(): { requestMessageCount: string; responseMessageCount: string } {
    const { requests, responses } = this;
    return { requestMessageCount: String(requests), responseMessageCount: String(responses) };
  }
}

/** Counts gRPC calls and their messages under `cluster.<name>.grpc.`. */
export class GrpcStats implements HttpFilter {
  readonly #settings: GrpcStatsSettings;
  #scope: StatsScope | undefined;
  #isGrpc = false;
  #isGrpcResponse = false;
  #requests: MessageCounter | undefined;
  #responses: MessageCounter | undefined;
  #counts: MessageCounts | undefined;

  constructor(settings: GrpcStatsSettings) {
    this.#settings = settings;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    this.#isGrpc = isGrpcContentType(head.headers.get("content-type"));
    if (!this.#isGrpc) return "continue";
    this.#requests = new MessageCounter();
    const { route } = stream;
    const cluster =
      route?.kind === "forward"
        ? this.#settings.services.clusters.get(route.clusterName)
        : undefined;
    const name = this.#settings.nameOf(head.path);
    if (cluster !== undefined && name !== undefined)
      this.#scope = cluster.stats.scope(`grpc.${name}`);
    return "continue";
  }

  onRequestData(stream: HttpStream, chunk: Uint8Array): Verdict {
    const begun = this.#requests?.feed(chunk) ?? 0;
    if (begun > 0) {
      this.#scope?.counter("request_message_count").add(begun);
      this.#emit(stream);
    }
    return "continue";
  }

  onResponseHead(stream: HttpStream, head: ResponseHead, end: boolean): Verdict {
    if (!this.#isGrpc) return "continue";
    this.#isGrpcResponse = head.status === 200 && isGrpcContentType(head.get("content-type"));
    if (this.#isGrpcResponse) this.#responses = new MessageCounter();
    this.#countStatus(head.headers);
    if (end) this.#countTime(stream);
    return "continue";
  }

  onResponseData(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict {
    const begun = this.#responses?.feed(chunk) ?? 0;
    if (begun > 0) {
      this.#scope?.counter("response_message_count").add(begun);
      this.#emit(stream);
    }
    if (end && this.#isGrpc) this.#countTime(stream);
    return "continue";
  }

  onResponseTrailers(stream: HttpStream, trailers: HeaderList): Verdict {
    if (!this.#isGrpc) return "continue";
    this.#countStatus(trailers);
    this.#countTime(stream);
    return "continue";
  }

  #countStatus(fields: HeaderList): void {
    const status = fields.get("grpc-status");
    const scope = this.#scope;
    if (status === undefined || scope === undefined) return;
    // Whatever else an upstream writes there must not become a name.
    if (/^\d{1,2}$/.test(status)) scope.counter(status).inc();
    scope.counter(status === "0" ? "success" : "failure").inc();
    scope.counter("total").inc();
  }

  #countTime({ info }: HttpStream): void {
    if (!this.#settings.upstreamTime || this.#scope === undefined) return;
    const startMs = info.upstreamRequestEndMs;
    if (startMs === 0) return;
    const nowMs = this.#settings.services.clock.monotonicMs();
    this.#scope.histogram("upstream_rq_time").record(nowMs - startMs);
  }

  #emit({ info }: HttpStream): void {
    if (!this.#settings.emitsFilterState) return;
    if (this.#counts === undefined) {
      this.#counts = new MessageCounts();
      info.filterState ??= new Map();
      info.filterState.set(filterStateKey, this.#counts);
    }
    this.#counts.requests = this.#requests?.count ?? 0;
    this.#counts.responses = this.#responses?.count ?? 0;
  }
}
