import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Runtime } from "../runtime.ts";
import type { ConsecutiveKind, OutlierSettings } from "./config.ts";
import { grpcHeadStatus } from "./grpc-head-status.ts";
import type { OutlierReport } from "./report.ts";
import { Cell, type HostCells } from "./slots.ts";

/** What the hosts of a cluster have in common in one worker. */
export interface OutlierReporting {
  readonly settings: OutlierSettings;
  readonly runtime: Runtime;
  /** So many failures came one after another. The main thread decides what follows, for all workers. */
  readonly report: (host: string, kind: OutlierReport["kind"]) => void;
}

/**
 * What users of a host tell outlier detection about it. External origin: what the upstream answered; local origin: whether it could be
 * reached. Only `split_external_local_origin_errors` counts them apart; without it what is of local origin counts as a response code.
 */
export class HostOutlier {
  readonly #reporting: OutlierReporting;
  readonly #cells: HostCells;
  readonly #key: string;
  /** Known to be: saying it again is no news. */
  degraded = false;

  constructor(reporting: OutlierReporting, cells: HostCells, key: string) {
    this.#reporting = reporting;
    this.#cells = cells;
    this.#key = key;
  }

  /** The upstream answered. */
  onAnswer(request: RequestHead, response: ResponseHead): void {
    const { isError, detectsDegraded } = this.#reporting.settings;
    let status = grpcHeadStatus(request, response);
    if (status === undefined) {
      status = response.status;
      if (isError !== undefined) status = isError(response) ? Math.max(500, status) : 200;
    }
    this.onResponse(status);
    if (!detectsDegraded || this.degraded || isServerError(status)) return;
    if (response.headers.has("x-envoy-degraded")) this.#reporting.report(this.#key, "degraded");
  }

  onResponse(status: number): void {
    const cells = this.#cells;
    cells.add(Cell.requests);
    if (!isServerError(status)) {
      cells.add(Cell.successes);
      cells.take(Cell.consecutive5xx);
      cells.take(Cell.consecutiveGatewayFailure);
      return;
    }
    if (status >= 502 && status <= 504)
      this.#addFailure(Cell.consecutiveGatewayFailure, "consecutiveGatewayFailure");
    else cells.take(Cell.consecutiveGatewayFailure);
    this.#addFailure(Cell.consecutive5xx, "consecutive5xx");
  }

  /** A request has its stream: its answer is still to come. */
  onConnected(): void {
    if (this.#reporting.settings.split) this.#onLocalOriginSuccess();
  }

  /** A connection is there, and that is all there will be to tell (TCP). */
  onConnectedFinally(): void {
    if (this.#reporting.settings.split) this.#onLocalOriginSuccess();
    else this.onResponse(200);
  }

  /** No connection, or it broke before the response was complete. */
  onFailure(): void {
    if (this.#reporting.settings.split) this.#onLocalOriginFailure();
    else this.onResponse(503);
  }

  /** No answer in time; `status` is the client's. */
  onTimeout(status: number): void {
    if (this.#reporting.settings.split) this.#onLocalOriginFailure();
    else this.onResponse(status);
  }

  #onLocalOriginSuccess(): void {
    this.#cells.add(Cell.localOriginRequests);
    this.#cells.add(Cell.localOriginSuccesses);
    this.#cells.take(Cell.consecutiveLocalOriginFailure);
  }

  #onLocalOriginFailure(): void {
    this.#cells.add(Cell.localOriginRequests);
    this.#addFailure(Cell.consecutiveLocalOriginFailure, "consecutiveLocalOriginFailure");
  }

  #addFailure(cell: (typeof Cell)[ConsecutiveKind], kind: ConsecutiveKind): void {
    const { settings, runtime, report } = this.#reporting;
    const { runtimeKey, threshold } = settings.consecutive[kind];
    if (this.#cells.add(cell) === runtime.number(runtimeKey, threshold)) report(this.#key, kind);
  }
}

function isServerError(status: number): boolean {
  return status >= 500 && status <= 599;
}
