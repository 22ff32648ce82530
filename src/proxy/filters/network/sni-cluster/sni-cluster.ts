import type { StreamInfo } from "../../../stream-info.ts";
import type { NetworkFilter, NetworkVerdict } from "../filter.ts";
import { clusterOverrideKey } from "../tcp-proxy/tcp-proxy.ts";

/** The server name of the TLS handshake is the name of the cluster that tcp_proxy connects to. */
export class SniCluster implements NetworkFilter {
  readonly #info: StreamInfo;

  constructor(info: StreamInfo) {
    this.#info = info;
  }

  onConnect(): NetworkVerdict {
    const { requestedServerName = "" } = this.#info.downstream;
    if (requestedServerName !== "") {
      this.#info.filterState ??= new Map();
      this.#info.filterState.set(clusterOverrideKey, requestedServerName);
    }
    return "continue";
  }

  onData(): NetworkVerdict {
    return "continue";
  }
}
