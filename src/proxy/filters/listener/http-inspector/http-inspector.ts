import type { Counter, StatsScope } from "../../../stats/stats.ts";
import type { AcceptedSocket, ListenerFilter, ListenerVerdict } from "../filter.ts";

const done: ListenerVerdict = { verdict: "done", consumed: 0 };
const more: ListenerVerdict = { verdict: "more", consumed: 0 };
const close: ListenerVerdict = { verdict: "close", consumed: 0 };

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const requestLineMax = 64 * 1024;
const newline = 0x0a;
const tokenByte = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]/;
/** Envoy's generosity, for the connection manager behind judges anew: white space repeats, a line without version is 0.9. */
const requestLine =
  /^([A-Za-z0-9!#$%&'*+\-.^_`|~]+)[ \t]+([\x21-\x7e]+)(?:[ \t]+HTTP\/(\d\.\d))?[ \t]*\r?\n/;
const originForm = /^(?:\/|\*|[A-Za-z][A-Za-z0-9+\-.]*:\/\/)/;

/** Tells HTTP from other plain text. Its state is the peeked bytes: one object serves all. */
export class HttpInspector implements ListenerFilter {
  readonly bytesMax: number = requestLineMax;
  readonly #http10: Counter;
  readonly #http11: Counter;
  readonly #http2: Counter;
  readonly #notFound: Counter;
  readonly #readError: Counter;

  constructor(scope: StatsScope) {
    this.#http10 = scope.counter("http10_found");
    this.#http11 = scope.counter("http11_found");
    this.#http2 = scope.counter("http2_found");
    this.#notFound = scope.counter("http_not_found");
    this.#readError = scope.counter("read_error");
  }

  onAccept(socket: AcceptedSocket): ListenerVerdict {
    // What the TLS inspector knows to be encrypted cannot be read here.
    return socket.transportProtocol === "tls" ? done : more;
  }

  onData(socket: AcceptedSocket, peeked: Buffer): ListenerVerdict {
    if (peeked.length === 0) return more;
    const begun = Math.min(peeked.length, preface.length);
    if (peeked.compare(preface, 0, begun, 0, begun) === 0)
      return begun < preface.length ? more : this.#found(socket, "h2c", this.#http2);
    const end = peeked.indexOf(newline);
    if (end >= requestLineMax || (end === -1 && peeked.length >= requestLineMax)) {
      this.#readError.inc();
      return close;
    }
    if (end === -1 && tokenByte.test(peeked.toString("latin1", 0, 1))) return more;
    return this.#judge(socket, peeked.toString("latin1", 0, end + 1));
  }

  #judge(socket: AcceptedSocket, line: string): ListenerVerdict {
    const [, method, target = "", version] = requestLine.exec(line) ?? [];
    if (method === undefined || (method !== "CONNECT" && !originForm.test(target))) {
      this.#notFound.inc();
      return done;
    }
    return version === "1.1"
      ? this.#found(socket, "http/1.1", this.#http11)
      : this.#found(socket, "http/1.0", this.#http10);
  }

  #found(socket: AcceptedSocket, protocol: string, counter: Counter): ListenerVerdict {
    counter.inc();
    socket.applicationProtocols = [protocol];
    return done;
  }
}
