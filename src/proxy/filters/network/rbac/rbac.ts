import { Timer, type TimerList } from "#lib/timers.ts";
import { type Enforcer, enforce, type RbacStats } from "../../../rbac/enforcer.ts";
import { deniedDetails } from "../../../rbac/engine.ts";
import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";

const namespace = "envoy.filters.network.rbac";

export interface NetworkRbacSettings {
  readonly enforcer: Enforcer;
  readonly stats: RbacStats;
  /** Asked at every read: metadata of filters before this one may change. */
  readonly continuous: boolean;
  /** A refused connection is held so long: a client that tries again at once is slowed down. */
  readonly delay: TimerList | undefined;
}

/** Access by rules on the connection, asked at its first byte: then TLS is known. Its timer holds a refused connection. */
export class NetworkRbac extends Timer implements NetworkFilter {
  readonly #settings: NetworkRbacSettings;
  readonly #stream: NetworkStream;
  #state: "unasked" | "allowed" | "refused" = "unasked";

  constructor(settings: NetworkRbacSettings, stream: NetworkStream) {
    super();
    this.#settings = settings;
    this.#stream = stream;
  }

  onData(): NetworkVerdict {
    if (this.#state === "refused") return "park";
    const { enforcer, stats, continuous } = this.#settings;
    if (this.#state === "allowed" && !continuous) return "continue";
    const { info } = this.#stream;
    const denied = enforce(enforcer, stats, info, undefined, namespace);
    this.#state = denied === undefined ? "allowed" : "refused";
    if (denied === undefined) return "continue";
    info.connectionTerminationDetails = deniedDetails(denied);
    this.#refuse();
    return "park";
  }

  #refuse(): void {
    const { connection } = this.#stream;
    const { delay } = this.#settings;
    if (delay === undefined) {
      connection.destroy();
      return;
    }
    connection.pause();
    delay.arm(this);
  }

  onTimer(): void {
    this.#stream.connection.destroy();
  }

  onClose(): void {
    this.cancel();
  }
}
