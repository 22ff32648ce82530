import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";
import { helloBytesMax, parseClientHello } from "./client-hello.ts";

const done: ListenerVerdict = { verdict: "done", consumed: 0 };
const more: ListenerVerdict = { verdict: "more", consumed: 0 };
const close: ListenerVerdict = { verdict: "close", consumed: 0 };

/** Tells TLS from plain text, and reads server name and ALPN. Its state is the peeked bytes: one object serves all. */
export class TlsInspector implements ListenerFilter {
  readonly bytesMax: number = helloBytesMax;
  readonly #found: Counter;
  readonly #notFound: Counter;
  readonly #sniFound: Counter;
  readonly #sniNotFound: Counter;
  readonly #alpnFound: Counter;
  readonly #alpnNotFound: Counter;
  readonly #tooLarge: Counter;

  constructor(scope: StatsScope) {
    this.#found = scope.counter("tls_found");
    this.#notFound = scope.counter("tls_not_found");
    this.#sniFound = scope.counter("sni_found");
    this.#sniNotFound = scope.counter("sni_not_found");
    this.#alpnFound = scope.counter("alpn_found");
    this.#alpnNotFound = scope.counter("alpn_not_found");
    this.#tooLarge = scope.counter("client_hello_too_large");
  }

  onAccept(): ListenerVerdict {
    return more;
  }

  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict {
    const hello = parseClientHello(peeked);
    if (hello === "more") return more;
    if (hello === "too-large") {
      this.#tooLarge.inc();
      return close;
    }
    if (hello === "no") {
      this.#notFound.inc();
      socket.transportProtocol = "raw_buffer";
      return done;
    }
    this.#found.inc();
    socket.transportProtocol = "tls";
    socket.serverName = hello.serverName;
    socket.applicationProtocols = hello.applicationProtocols;
    (hello.serverName === "" ? this.#sniNotFound : this.#sniFound).inc();
    (hello.applicationProtocols.length === 0 ? this.#alpnNotFound : this.#alpnFound).inc();
    return done;
  }
}
