import { isGrpcContentType, parseStatusCode } from "#grpc/status.ts";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Random } from "#lib/random.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, LocalReply, Verdict } from "../filter.ts";
import type { SuccessWindow } from "./success-window.ts";

export interface AdmissionSettings {
  readonly random: Random;
  readonly window: SuccessWindow;
  readonly enabled: () => boolean;
  readonly isHttpSuccess: (status: number) => boolean;
  readonly isGrpcSuccess: (status: number) => boolean;
  /** Of 1. */
  readonly successRateThreshold: () => number;
  readonly aggression: () => number;
  readonly rpsThreshold: () => number;
  /** Of 1. */
  readonly rejectionProbabilityMax: () => number;
  readonly succeeded: Counter;
  readonly failed: Counter;
  readonly rejected: Counter;
}

const rejection: LocalReply = { status: 503, details: "denied_by_admission_control" };

/** Client-side throttling (Google SRE book, "Handling Overload"): the less an upstream succeeds, the less it is asked. */
export class AdmissionControl implements HttpFilter {
  readonly #settings: AdmissionSettings;
  #isCounted = false;
  #awaitsTrailers = false;

  constructor(settings: AdmissionSettings) {
    this.#settings = settings;
  }

  onRequestHead(stream: HttpStream, _head: RequestHead): Verdict {
    const settings = this.#settings;
    if (!settings.enabled() || stream.info.isHealthCheck) return "continue";
    this.#isCounted = true;
    if (settings.window.averageRps < settings.rpsThreshold()) return "continue";
    if (settings.random.unit() >= rejectionProbability(settings)) return "continue";
    // Its own rejections are no failures: they would keep themselves going.
    this.#isCounted = false;
    settings.rejected.inc();
    stream.reply(rejection);
    return "park";
  }

  onResponseHead(_stream: HttpStream, head: ResponseHead, end: boolean): Verdict {
    if (!this.#isCounted) return "continue";
    const { headers, status } = head;
    const { isHttpSuccess, isGrpcSuccess } = this.#settings;
    if (status !== 200 || !isGrpcContentType(headers.get("content-type"))) {
      this.#count(isHttpSuccess(status));
      return "continue";
    }
    const code = parseStatusCode(headers.get("grpc-status"));
    if (code === undefined && !end) this.#awaitsTrailers = true;
    else this.#count(code === undefined ? isHttpSuccess(status) : isGrpcSuccess(code));
    return "continue";
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict {
    if (!this.#awaitsTrailers) return "continue";
    const code = parseStatusCode(trailers.get("grpc-status"));
    this.#count(code !== undefined && this.#settings.isGrpcSuccess(code));
    return "continue";
  }

  #count(success: boolean): void {
    const { window, succeeded, failed } = this.#settings;
    window.record(success);
    (success ? succeeded : failed).inc();
  }
}

/** In steps of a ten-thousandth, as Envoy's. */
function rejectionProbability(settings: AdmissionSettings): number {
  const { window } = settings;
  window.forget();
  const excess = window.requests - window.successes / settings.successRateThreshold();
  if (excess <= 0) return 0;
  const probability = (excess / (window.requests + 1)) ** (1 / settings.aggression());
  const limited = Math.min(probability, settings.rejectionProbabilityMax());
  return Math.ceil(limited * 10_000) / 10_000;
}
