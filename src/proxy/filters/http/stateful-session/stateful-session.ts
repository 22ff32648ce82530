import type { RequestHead, ResponseHead } from "#http/message.ts";
import { ResponseFlag } from "../../../response-flags.ts";
import type { Counter } from "../../../stats/stats.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import type { SessionState } from "./session-state.ts";

/** Undefined: no requests have sessions. */
export interface Sessions {
  readonly state: SessionState | undefined;
  readonly strict: boolean;
}

export interface SessionStats {
  readonly routed: Counter;
  readonly failedOpen: Counter;
  readonly failedClosed: Counter;
}

export interface StatefulSessionShared {
  readonly filterName: string;
  readonly sessions: Sessions;
  readonly stats: SessionStats | undefined;
}

/** Keeps a client at the host that answered it first. */
export class StatefulSessionFilter implements HttpFilter {
  readonly #shared: StatefulSessionShared;
  /** The state of this request's session; undefined: it has none. */
  #state: SessionState | undefined;
  #strict = false;
  #address: string | undefined;

  constructor(shared: StatefulSessionShared) {
    this.#shared = shared;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const { state, strict } = this.#sessionsOf(stream);
    if (state?.covers(head) !== true) return "continue";
    this.#state = state;
    this.#strict = strict;
    this.#address = state.addressIn(head);
    if (this.#address !== undefined) stream.info.overrideHost = { address: this.#address, strict };
    return "continue";
  }

  #sessionsOf(stream: HttpStream): Sessions {
    const { filterName, sessions } = this.#shared;
    if (stream.route?.hasFilterConfigs !== true) return sessions;
    return stream.routeConfig<Sessions>(filterName) ?? sessions;
  }

  onResponseHead(stream: HttpStream, head: ResponseHead): Verdict {
    if (this.#state === undefined) return "continue";
    const { stats } = this.#shared;
    const { info } = stream;
    const host = info.upstreamHost?.addressText;
    if (host === undefined) {
      if (this.#strict && (info.responseFlags & ResponseFlag.noHealthyUpstream) !== 0)
        stats?.failedClosed.inc();
    } else if (host === this.#address) stats?.routed.inc();
    else {
      this.#state.write(host, head.headers);
      if (!this.#strict) stats?.failedOpen.inc();
    }
    return "continue";
  }
}
