import { ProxyOptions, type ProxyTlv, proxyOptionsKey } from "../../../proxy-options.ts";
import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { Json } from "../../../stream-info.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";
import {
  type HeaderVersions,
  headerBytesMax,
  type ProxyHeader,
  parseProxyHeader,
} from "./header.ts";

/** Where a TLV's value goes. */
export interface TlvRule {
  readonly namespace: string;
  readonly key: string;
}

export interface ProxyProtocolSettings {
  readonly rules: ReadonlyMap<number, TlvRule>;
  readonly rulesTarget: "DYNAMIC_METADATA" | "FILTER_STATE";
  /** Let connections without a header pass. */
  readonly allowWithout: boolean;
  readonly disallowed: ReadonlySet<1 | 2>;
  /** Whether an upstream PROXY header may repeat this TLV. */
  readonly passes: (type: number) => boolean;
  readonly scope: StatsScope;
}

const tlvStateKey = "envoy.network.proxy_protocol.tlv";

const more: ListenerVerdict = { verdict: "more", consumed: 0 };
const close: ListenerVerdict = { verdict: "close", consumed: 0 };
const done: ListenerVerdict = { verdict: "done", consumed: 0 };

type VersionStats = Readonly<Record<"found" | "disallowed" | "error", Counter>>;

/** Takes the client's addresses from a PROXY header. Its state is the peeked bytes: one object serves all. */
export class ProxyProtocol implements ListenerFilter {
  readonly bytesMax: number = headerBytesMax;
  readonly #settings: ProxyProtocolSettings;
  readonly #versions: HeaderVersions;
  readonly #notFoundAllowed: Counter;
  readonly #notFoundDisallowed: Counter;
  readonly #stats: Readonly<Record<1 | 2, VersionStats>>;

  constructor(settings: ProxyProtocolSettings) {
    const { allowWithout, disallowed, scope } = settings;
    this.#settings = settings;
    // Where no header is needed, one of a disallowed version is payload.
    this.#versions = {
      v1: !(allowWithout && disallowed.has(1)),
      v2: !(allowWithout && disallowed.has(2)),
    };
    this.#notFoundAllowed = scope.counter("not_found_allowed");
    this.#notFoundDisallowed = scope.counter("not_found_disallowed");
    this.#stats = {
      1: versionStats(scope.scope("versions.v1.")),
      2: versionStats(scope.scope("versions.v2.")),
    };
  }

  onAccept(): ListenerVerdict {
    return more;
  }

  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict {
    const { allowWithout, disallowed } = this.#settings;
    const header = parseProxyHeader(peeked, this.#versions);
    if (header === "more" || peeked.length === 0) return more;
    if (header === "none" || header === "endless") {
      const isAllowed = allowWithout && header === "none";
      (isAllowed ? this.#notFoundAllowed : this.#notFoundDisallowed).inc();
      return isAllowed ? done : close;
    }
    if (header === "bad") {
      this.#stats[peeked[0] === 0x50 ? 1 : 2].error.inc();
      return close;
    }
    const stats = this.#stats[header.version];
    stats.found.inc();
    if (disallowed.has(header.version)) {
      stats.disallowed.inc();
      return close;
    }
    this.#apply(socket, header);
    return { verdict: "done", consumed: header.size };
  }

  #apply(socket: AcceptedSocket, { addresses, tlvs }: ProxyHeader): void {
    if (addresses === undefined) return;
    const { source, destination } = addresses;
    socket.remote = source;
    socket.local = destination;
    socket.localRestored = true;
    this.#applyRules(socket, tlvs);
    const passed = tlvs.filter(({ type }) => this.#settings.passes(type));
    socket.setFilterState(proxyOptionsKey, new ProxyOptions({ source, destination, tlvs: passed }));
  }

  #applyRules(socket: AcceptedSocket, tlvs: readonly ProxyTlv[]): void {
    const { rules, rulesTarget } = this.#settings;
    if (rules.size === 0) return;
    const state: { [key: string]: Json } = {};
    for (const { type, value } of tlvs) {
      const rule = rules.get(type);
      if (rule === undefined) continue;
      if (rulesTarget === "FILTER_STATE") {
        // Envoy replaces here and keeps the first in metadata.
        state[rule.key] = tlvText(value);
        continue;
      }
      const namespace = socket.dynamicMetadata[rule.namespace] ?? {};
      namespace[rule.key] ??= tlvText(value);
      socket.dynamicMetadata[rule.namespace] = namespace;
    }
    if (Object.keys(state).length > 0) socket.setFilterState(tlvStateKey, state);
  }
}

function versionStats(scope: StatsScope): VersionStats {
  return {
    found: scope.counter("found"),
    disallowed: scope.counter("disallowed"),
    error: scope.counter("error"),
  };
}

/** Metadata is text: what is not UTF-8 becomes "!", as in Envoy. */
function tlvText(value: Uint8Array): string {
  return Buffer.from(value).toString("utf8").replaceAll("\ufffd", "!");
}
