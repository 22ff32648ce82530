/** Listeners towards others in the making: which services meet on one address and port, and who wins. */
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { isHttp } from "#model/protocol.ts";
import type { Protocol, ServicePort } from "#model/service.ts";
import { type Chain, sameMatch } from "./chain.ts";
import { type Binding, listenerName } from "./listener.ts";
import type { ListenerProblem } from "./problems.ts";

/** `auto`: HTTP and TCP, told apart by the first bytes. */
export type ListenerProtocol = "http" | "tcp" | "auto";

/** Undefined: UDP, for which there are no listeners. */
export function listenerProtocol(protocol: Protocol): ListenerProtocol | undefined {
  if (protocol === "UDP") return undefined;
  if (protocol === "auto") return "auto";
  return isHttp(protocol) ? "http" : "tcp";
}

export interface Entry {
  readonly binding: Binding;
  readonly port: ServicePort;
  /** Of the whole listener: more than one protocol met, `auto`. */
  protocol: ListenerProtocol;
  /** Whose listener it was first. */
  readonly first: Incoming;
  /** Of all that met; undefined: only the first one's, not made yet. */
  chains: readonly Chain[] | undefined;
  /** A port that the Sidecar names: what comes later does not add to it. */
  locked: boolean;
  /** The endpoint of a headless service that it is for. */
  readonly instance?: string | undefined;
}

export interface Incoming {
  readonly binding: Binding;
  readonly port: ServicePort;
  readonly hostname: string;
  readonly protocol: ListenerProtocol;
  readonly instance?: string | undefined;
  /** Built only if it is not known already that the listener needs no more. */
  chains(): readonly Chain[];
  /** The listener of this service alone. */
  listener(): ListenerJson;
}

export class OutboundTable {
  readonly #entries: Map<string, Entry> = new Map();
  readonly problems: ListenerProblem[] = [];

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  lock(): void {
    for (const entry of this.#entries.values()) entry.locked = true;
  }

  /** Services come the oldest first, so what is there already wins. */
  add(incoming: Incoming): void {
    const key = listenerName(incoming.binding);
    const current = this.#entries.get(key);
    if (current?.locked) return;
    // Routes of all HTTP services of a port come by one name (RDS), and so do those of a port that is told apart by its bytes.
    if (current && incoming.protocol !== "tcp" && current.protocol === incoming.protocol) return;
    if (current && incoming.protocol === "http" && current.protocol === "auto") return;
    if (current === undefined || (incoming.protocol === "auto" && current.protocol === "http")) {
      this.#entries.set(key, {
        binding: incoming.binding,
        port: incoming.port,
        protocol: incoming.protocol,
        first: incoming,
        chains: undefined,
        locked: false,
        instance: incoming.instance,
      });
      return;
    }
    this.#join(current, incoming);
  }

  #join(current: Entry, incoming: Incoming): void {
    if (talksFirst(current.port.protocol, incoming.port.protocol)) {
      this.#refuse(current, incoming, {
        metric:
          incoming.protocol === "http"
            ? "pilot_conflict_outbound_listener_http_over_current_tcp"
            : "pilot_conflict_outbound_listener_tcp_over_current_http",
      });
      return;
    }
    const merged = [...(current.chains ?? current.first.chains())];
    for (const chain of incoming.chains()) {
      if (merged.some((existing) => sameMatch(existing, chain)))
        this.#refuse(current, incoming, {
          metric: "pilot_conflict_outbound_listener_tcp_over_current_tcp",
        });
      else merged.push(chain);
    }
    current.chains = merged;
    if (current.protocol !== incoming.protocol) current.protocol = "auto";
  }

  #refuse(
    current: Entry,
    incoming: Incoming,
    { metric }: Required<Pick<ListenerProblem, "metric">>,
  ): void {
    this.problems.push({
      metric,
      listener: listenerName(current.binding),
      message:
        `${incoming.hostname} port ${incoming.port.number} (${incoming.port.protocol}) wants connections that an older service ` +
        `already takes (${current.port.protocol}): give one of them another port or address`,
    });
  }
}

/** The server speaks first: looking at the client's first bytes, as two protocols on one port ask, would wait for ever. */
function talksFirst(a: Protocol, b: Protocol): boolean {
  const first = (protocol: Protocol): boolean => protocol === "MySQL" || protocol === "Mongo";
  return a !== b && (first(a) || first(b));
}
