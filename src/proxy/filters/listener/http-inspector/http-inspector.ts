import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";

const done: ListenerVerdict = { verdict: "done", consumed: 0 };
const more: ListenerVerdict = { verdict: "more", consumed: 0 };

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const requestLineMax = 8 * 1024;
const requestLine = /^[A-Z!#$%&'*+\-.^_`|~0-9]+ [^ ]+ HTTP\/1\.([01])\r?\n/;
/** What a request line cut short can look like. */
const beginning = /^[A-Z!#$%&'*+\-.^_`|~0-9]{1,32}(?: [^\r\n]*)?\r?$/;

/** Tells HTTP from other plain text. Its state is the peeked bytes: one object serves all. */
export class HttpInspector implements ListenerFilter {
  readonly bytesMax: number = requestLineMax;
  readonly #http10: Counter;
  readonly #http11: Counter;
  readonly #http2: Counter;
  readonly #notFound: Counter;

  constructor(scope: StatsScope) {
    this.#http10 = scope.counter("http10_found");
    this.#http11 = scope.counter("http11_found");
    this.#http2 = scope.counter("http2_found");
    this.#notFound = scope.counter("http_not_found");
  }

  onAccept(socket: AcceptedSocket): ListenerVerdict {
    // What the TLS inspector knows to be encrypted cannot be read here.
    return socket.transportProtocol === "tls" ? done : more;
  }

  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict {
    const text = peeked.toString("latin1", 0, Math.min(peeked.length, requestLineMax));
    if (text.length < preface.length && preface.startsWith(text)) return more;
    if (text.startsWith(preface)) return this.#found(socket, "h2c", this.#http2);
    const line = requestLine.exec(text);
    if (line !== null)
      return line[1] === "0"
        ? this.#found(socket, "http/1.0", this.#http10)
        : this.#found(socket, "http/1.1", this.#http11);
    if (text.length < requestLineMax && beginning.test(text)) return more;
    this.#notFound.inc();
    return done;
  }

  #found(socket: AcceptedSocket, protocol: string, counter: Counter): ListenerVerdict {
    counter.inc();
    socket.applicationProtocols = [protocol];
    return done;
  }
}
