import type { DnsCache, DnsWaiter } from "../../../dns-cache/dns-cache.ts";
import { dynamicHostKey, dynamicPortKey } from "../../../dns-cache/state-keys.ts";
import type { NetworkFilter, NetworkStream, NetworkVerdict } from "../filter.ts";

interface Settings {
  readonly cache: DnsCache;
  readonly port: number;
}

/** Holds a connection until the server name of its TLS handshake is known: tcp_proxy connects there. */
export class SniDynamicForwardProxy implements NetworkFilter, DnsWaiter {
  /** Among those that wait for the same name. */
  place = -1;
  readonly #cache: DnsCache;
  readonly #port: number;
  readonly #stream: NetworkStream;
  #name = "";

  constructor({ cache, port }: Settings, stream: NetworkStream) {
    this.#cache = cache;
    this.#port = port;
    this.#stream = stream;
  }

  onConnect(): NetworkVerdict {
    const { connection, info } = this.#stream;
    const named = info.filterState?.get(dynamicHostKey) ?? info.downstream.requestedServerName;
    this.#name = String(named ?? "");
    if (this.#name === "") return "continue";
    const found = this.#cache.load(this.#name, this.#portOf(), this);
    if (found === "loading") return "park";
    if (found === "overflow" || found === "pending-overflow") {
      connection.destroy();
      return "park";
    }
    return "continue";
  }

  onData(): NetworkVerdict {
    return this.place === -1 ? "continue" : "park";
  }

  /** Without an address too: tcp_proxy then finds no host. */
  onResolved(): void {
    this.#stream.resume();
  }

  onClose(): void {
    if (this.#name !== "") this.#cache.forget(this, this.#name, this.#portOf());
  }

  #portOf(): number {
    const { info } = this.#stream;
    const set = info.filterState?.get(dynamicPortKey);
    if (typeof set === "number") return set;
    info.filterState ??= new Map();
    info.filterState.set(dynamicPortKey, this.#port);
    return this.#port;
  }
}
