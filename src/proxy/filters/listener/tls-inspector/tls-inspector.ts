import type { Counter, Histogram, StatsScope } from "../../../stats/stats.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";
import { type ClientHello, parseClientHello } from "./client-hello.ts";

export interface TlsInspectorSettings {
  readonly helloBytesMax: number;
  /** Close what is no valid ClientHello, instead of taking it for plain text. */
  readonly closeOnError: boolean;
  readonly scope: StatsScope;
}

const done: ListenerVerdict = { verdict: "done", consumed: 0 };
const more: ListenerVerdict = { verdict: "more", consumed: 0 };
const close: ListenerVerdict = { verdict: "close", consumed: 0 };

/** Tells TLS from plain text, and reads server name and ALPN. Its state is the peeked bytes: one object serves all. */
export class TlsInspector implements ListenerFilter {
  readonly bytesMax: number;
  readonly #closeOnError: boolean;
  readonly #found: Counter;
  readonly #notFound: Counter;
  readonly #sniFound: Counter;
  readonly #sniNotFound: Counter;
  readonly #alpnFound: Counter;
  readonly #alpnNotFound: Counter;
  readonly #tooLarge: Counter;
  readonly #bytes: Histogram;

  constructor({ helloBytesMax, closeOnError, scope }: TlsInspectorSettings) {
    this.bytesMax = helloBytesMax;
    this.#closeOnError = closeOnError;
    this.#found = scope.counter("tls_found");
    this.#notFound = scope.counter("tls_not_found");
    this.#sniFound = scope.counter("sni_found");
    this.#sniNotFound = scope.counter("sni_not_found");
    this.#alpnFound = scope.counter("alpn_found");
    this.#alpnNotFound = scope.counter("alpn_not_found");
    this.#tooLarge = scope.counter("client_hello_too_large");
    this.#bytes = scope.histogram("bytes_processed");
  }

  onAccept(): ListenerVerdict {
    return more;
  }

  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict {
    const hello = parseClientHello(peeked, this.bytesMax);
    if (hello === "more") return more;
    this.#bytes.record(peeked.length);
    if (hello === "too-large") {
      this.#tooLarge.inc();
      return close;
    }
    if (hello === "no") {
      this.#notFound.inc();
      return this.#closeOnError ? close : done;
    }
    return this.#apply(socket, hello);
  }

  #apply(socket: AcceptedSocket, hello: ClientHello): ListenerVerdict {
    const { serverName, applicationProtocols, version } = hello;
    socket.serverName = serverName;
    (serverName === "" ? this.#sniNotFound : this.#sniFound).inc();
    // TLS 1.0 to 1.3: nothing behind this filter speaks another.
    if (version < 0x0301 || version > 0x0304) {
      this.#notFound.inc();
      return close;
    }
    this.#found.inc();
    (applicationProtocols.length === 0 ? this.#alpnNotFound : this.#alpnFound).inc();
    socket.applicationProtocols = applicationProtocols;
    socket.transportProtocol = "tls";
    return done;
  }
}
