import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { HttpFilter, HttpStream, LocalReply, Verdict } from "../filter.ts";
import type { GradientController } from "./gradient-controller.ts";

export interface AdaptiveConcurrencySettings {
  readonly clock: Clock;
  readonly enabled: () => boolean;
  readonly controller: GradientController;
  readonly refusal: LocalReply;
}

/** Lets no more requests through at a time than the controller finds good, and tells it how long each took. */
export class AdaptiveConcurrency implements HttpFilter {
  readonly #settings: AdaptiveConcurrencySettings;
  #isUnderWay = false;
  #beganMs = 0;

  constructor(settings: AdaptiveConcurrencySettings) {
    this.#settings = settings;
  }

  onRequestHead(stream: HttpStream, _head: RequestHead): Verdict {
    const { clock, enabled, controller, refusal } = this.#settings;
    // Health checks are answered faster than what people ask for.
    if (!enabled() || stream.info.isHealthCheck) return "continue";
    if (!controller.tryBegin()) {
      stream.reply(refusal);
      return "park";
    }
    this.#isUnderWay = true;
    this.#beganMs = clock.monotonicMs();
    return "continue";
  }

  onResponseHead(_stream: HttpStream, _head: ResponseHead, end: boolean): Verdict {
    if (end) this.#complete();
    return "continue";
  }

  onResponseData(_stream: HttpStream, _chunk: Uint8Array, end: boolean): Verdict {
    if (end) this.#complete();
    return "continue";
  }

  onResponseTrailers(_stream: HttpStream, _trailers: HeaderList): Verdict {
    this.#complete();
    return "continue";
  }

  /** What ended before its answer says nothing about the upstream. */
  onDone(): void {
    if (this.#isUnderWay) this.#settings.controller.cancel();
    this.#isUnderWay = false;
  }

  #complete(): void {
    if (!this.#isUnderWay) return;
    this.#isUnderWay = false;
    this.#settings.controller.complete(this.#beganMs);
  }
}
