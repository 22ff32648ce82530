import type { StatsScope } from "../../../stats/stats.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";
import { headerBytesMax, type ProxyHeader, parseProxyHeader } from "./header.ts";

/** Where a TLV's value goes. */
export interface TlvRule {
  readonly namespace: string;
  readonly key: string;
}

export interface ProxyProtocolSettings {
  readonly rules: ReadonlyMap<number, TlvRule>;
  /** Let connections without a header pass. */
  readonly allowWithout: boolean;
  readonly disallowed: ReadonlySet<1 | 2>;
  readonly scope: StatsScope;
}

const more: ListenerVerdict = { verdict: "more", consumed: 0 };
const close: ListenerVerdict = { verdict: "close", consumed: 0 };
const done: ListenerVerdict = { verdict: "done", consumed: 0 };

/** Takes the client's addresses from a PROXY header. Its state is the peeked bytes: one object serves all. */
export class ProxyProtocol implements ListenerFilter {
  readonly bytesMax: number = headerBytesMax;
  readonly #settings: ProxyProtocolSettings;

  constructor(settings: ProxyProtocolSettings) {
    this.#settings = settings;
  }

  onAccept(): ListenerVerdict {
    return more;
  }

  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict {
    const { scope, allowWithout, disallowed } = this.#settings;
    const header = parseProxyHeader(peeked);
    if (header === "more") return more;
    if (header === "none") {
      scope.counter(allowWithout ? "not_found_allowed" : "not_found_disallowed").inc();
      return allowWithout ? done : close;
    }
    if (header === "bad") {
      scope.counter(`versions.v${peeked[0] === 0x50 ? 1 : 2}.error`).inc();
      return close;
    }
    const versionScope = scope.scope(`versions.v${header.version}.`);
    if (disallowed.has(header.version)) {
      versionScope.counter("disallowed").inc();
      return close;
    }
    versionScope.counter("found").inc();
    this.#apply(socket, header);
    return { verdict: "done", consumed: header.size };
  }

  #apply(socket: AcceptedSocket, header: ProxyHeader): void {
    if (header.addresses !== undefined) {
      socket.remote = header.addresses.source;
      socket.local = header.addresses.destination;
      socket.localRestored = true;
    }
    for (const { type, value } of header.tlvs) {
      const rule = this.#settings.rules.get(type);
      if (rule === undefined) continue;
      const namespace = socket.dynamicMetadata[rule.namespace] ?? {};
      namespace[rule.key] = value.toString("utf8");
      socket.dynamicMetadata[rule.namespace] = namespace;
    }
  }
}
