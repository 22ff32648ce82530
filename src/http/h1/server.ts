import { ByteMeter } from "../byte-meter.ts";
import type { HeaderList } from "../headers.ts";
import type {
  RequestHead,
  RequestSink,
  ResetReason,
  ResponseHead,
  ResponseStream,
  ServerCodec,
  ServerCodecHandler,
} from "../message.ts";
import { ChunkedDecoder, type ChunkedEvents, type ChunkedProblem } from "./chunked.ts";
import {
  appendFields,
  type Framing,
  type NameCase,
  responseFraming,
  statusLine,
} from "./encode.ts";
import { type Http1Limits, hasForbiddenByteSoFar, laxSectionEnd } from "./fields.ts";
import { latin1 } from "./latin1.ts";
import { type ParsedRequest, parseRequest } from "./request-head.ts";

/** Where encoded bytes go: a connection, or a test. */
export interface ByteSink {
  write(chunk: Uint8Array): boolean;
  writeText(text: string): boolean;
  pause(): void;
  resume(): void;
  /** FIN after what is written: the end of our side of a tunnel. */
  shutdown?(): void;
}

export interface Http1ServerOptions extends Http1Limits {
  /** Answer HTTP/1.0 requests; otherwise 426. */
  readonly acceptHttp10: boolean;
  /** Host for an HTTP/1.0 request without one. */
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  /** Content-Length beside Transfer-Encoding: drop the length (Envoy's allow_chunked_length) instead of refusing. */
  readonly allowChunkedLength: boolean;
  /** Pass trailers on, both ways. */
  readonly enableTrailers: boolean;
  readonly nameCase: NameCase;
  /** The connection is TLS: an https target is as it should be. */
  readonly secure: boolean;
}

/** Reading: between messages, in a head, in a body; `waiting`: the request is read whole, its response is not sent whole. */
type ReadState = "head" | "length" | "chunked" | "tunnel" | "waiting" | "refused";

const firstLook = 4096;

/** HTTP/1.1 server side (RFC 9112). Itself the ResponseStream of the one exchange that can be active. */
export class Http1ServerCodec implements ServerCodec, ResponseStream, ChunkedEvents {
  readonly protocol = 11;
  meter: ByteMeter = new ByteMeter();
  readonly #options: Http1ServerOptions;
  readonly #output: ByteSink;
  readonly #handler: ServerCodecHandler;
  readonly #chunked: ChunkedDecoder;
  #sink: RequestSink | undefined;
  #read: ReadState = "head";
  #bodyLeft = 0;
  /** Head bytes of an incomplete head, or bytes of the next request that came too early. */
  #held: Uint8Array | undefined;
  #heldPaused = false;
  /** Length of the line ends that closed the head found last. */
  #endLength = 4;
  /** The connection's unsent bytes are above the watermark. */
  #unwritable = false;
  #goAway = false;
  #ended = false;
  // The current exchange.
  #requestDone = true;
  #responseDone = true;
  #headSent = false;
  #framing: Framing = "none";
  #toHead = false;
  #toVersion10 = false;
  #tunnelAsked = false;
  #connect = false;
  /** The connection ends with this response. */
  #closing = false;
  #keepAlive10 = false;

  constructor(options: Http1ServerOptions, output: ByteSink, handler: ServerCodecHandler) {
    this.#options = options;
    this.#output = output;
    this.#handler = handler;
    this.#chunked = new ChunkedDecoder(options);
  }

  get active(): number {
    return this.#responseDone ? 0 : 1;
  }

  /** The connection must close once the current response is out; asked by the connection manager after each stream. */
  get closing(): boolean {
    return this.#closing || this.#goAway || this.#read === "refused";
  }

  /** The request's body has been read to its end. */
  get requestDone(): boolean {
    return this.#requestDone;
  }

  feed(bytes: Uint8Array): void {
    let input = bytes;
    if (this.#held !== undefined) {
      input = Buffer.concat([this.#held, bytes]);
      this.#held = undefined;
    }
    this.#consume(input);
  }

  #consume(input: Uint8Array): void {
    let at = 0;
    while (at < input.length) {
      const used = this.#step(input, at);
      if (used === 0) {
        this.#hold(input, at);
        return;
      }
      at += used;
    }
  }

  /** Returns bytes used; 0: more are needed, or none can be taken now. */
  #step(input: Uint8Array, at: number): number {
    switch (this.#read) {
      case "head":
        return this.#readHead(input, at);
      case "length":
        return this.#readLength(input, at);
      case "chunked":
        return this.#readChunked(input, at);
      case "tunnel":
        this.meter.wireReceived += input.length - at;
        this.#sink?.onData(at === 0 ? input : input.subarray(at), false);
        return input.length - at;
      case "waiting":
        return 0;
      default:
        // Refused: whatever follows is thrown away, never read as a request.
        return input.length - at;
    }
  }

  #hold(input: Uint8Array, at: number): void {
    this.#held = new Uint8Array(input.subarray(at));
    // A pipelined request waits for its turn; the peer is not read meanwhile, so what is held stays one read long.
    if (this.#read === "waiting" && !this.#heldPaused) {
      this.#heldPaused = true;
      this.#output.pause();
    }
  }

  #readHead(input: Uint8Array, start: number): number {
    const at = this.#skipEmptyLines(input, start);
    // A CR alone: the LF of an empty line is still to come.
    if (at >= input.length || (input[at] === 0x0d && at === input.length - 1)) return at - start;
    const { headBytesMax, lenient } = this.#options;
    // What can never become a head is refused at once, so that garbage does not hold a connection until a timeout.
    if (!isLetter(input[at])) return this.#refuseRest(400, "http1.codec_error", input, start);
    const max = Math.min(input.length, at + headBytesMax + 4);
    let text = latin1(input, at, Math.min(max, at + firstLook));
    let end = this.#headEnd(text);
    if (end === -1 && max - at > firstLook) {
      text = latin1(input, at, max);
      end = this.#headEnd(text);
    }
    if (end === -1) {
      if (lenient === undefined && hasForbiddenByteSoFar(text))
        return this.#refuseRest(400, "http1.codec_error", input, start);
      // Three more bytes may be the begin of the head's end.
      if (text.length > headBytesMax + 3)
        return this.#refuseRest(431, "http1.headers_too_large", input, start);
      return at - start;
    }
    const parsed = parseRequest(text, end, this.#options);
    if (parsed.head === undefined) {
      this.#toVersion10 = parsed.version10;
      return this.#refuseRest(parsed.status, parsed.detail, input, start);
    }
    this.#begin(parsed, parsed.head, end + this.#endLength);
    return at - start + end + this.#endLength;
  }

  /** RFC 9112 §2.2: empty lines before a request are skipped. */
  #skipEmptyLines(input: Uint8Array, start: number): number {
    const bareLf = this.#options.lenient?.bareLf === true;
    let at = start;
    for (;;) {
      if (input[at] === 0x0d && input[at + 1] === 0x0a) at += 2;
      else if (bareLf && input[at] === 0x0a) at++;
      else return at;
    }
  }

  #headEnd(text: string): number {
    this.#endLength = 4;
    if (this.#options.lenient?.bareLf !== true) return text.indexOf("\r\n\r\n");
    const end = laxSectionEnd(text);
    this.#endLength = end.length;
    return end.at;
  }

  #begin(parsed: ParsedRequest, head: RequestHead, length: number): void {
    this.meter = new ByteMeter();
    this.meter.countHeaderReceived(length, parsed.fieldBytes);
    this.#requestDone = parsed.framing === "none";
    this.#responseDone = false;
    this.#headSent = false;
    this.#toHead = head.method === "HEAD";
    this.#toVersion10 = head.version === 10;
    this.#keepAlive10 = parsed.keepAlive;
    this.#closing = parsed.close;
    this.#tunnelAsked = parsed.framing === "tunnel";
    this.#connect = head.method === "CONNECT";
    this.#bodyLeft = parsed.length;
    this.#read = parsed.framing === "none" ? "waiting" : parsed.framing;
    if (parsed.framing === "chunked") this.#chunked.reset();
    this.#sink = this.#handler.onStream(this);
    this.#sink.onHead(head, this.#requestDone);
  }

  #readLength(input: Uint8Array, at: number): number {
    const count = Math.min(this.#bodyLeft, input.length - at);
    this.#bodyLeft -= count;
    this.meter.wireReceived += count;
    const end = this.#bodyLeft === 0;
    if (end) {
      this.#read = "waiting";
      this.#requestDone = true;
    }
    this.#sink?.onData(input.subarray(at, at + count), end);
    if (end) this.#finishIfDone();
    return count;
  }

  #readChunked(input: Uint8Array, at: number): number {
    const { meter } = this;
    const left = input.length - at;
    // Before its events: the last of them may end the exchange.
    meter.wireReceived += left;
    const used = this.#chunked.feed(input, at, this);
    meter.wireReceived -= left - used;
    const problem = this.#chunked.problem;
    if (problem === undefined) return used;
    this.#read = "refused";
    this.#closing = true;
    const tooLarge = problem === "trailers-too-large" || problem === "too-many-trailers";
    this.#sink?.onReset(tooLarge ? "overflow" : "protocol", chunkedProblemDetail(problem));
    return input.length - at;
  }

  onChunkData(chunk: Uint8Array): void {
    this.#sink?.onData(chunk, false);
  }

  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.#read = "waiting";
    this.#requestDone = true;
    if (trailers !== undefined && this.#options.enableTrailers) this.#sink?.onTrailers(trailers);
    else this.#sink?.onData(emptyChunk, true);
    this.#finishIfDone();
  }

  #refuseRest(status: number, detail: string, input: Uint8Array, start: number): number {
    this.#read = "refused";
    this.#closing = true;
    this.#requestDone = true;
    this.#responseDone = false;
    this.#headSent = false;
    this.#toHead = false;
    this.#tunnelAsked = false;
    this.meter = new ByteMeter();
    this.#handler.onProtocolError(this, status, detail);
    return input.length - start;
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#responseDone) return;
    // Envoy's rule for HTTP/1: a client that closes its side while a request runs has gone.
    this.#closing = true;
    if (this.#read !== "tunnel")
      this.#sink?.onReset("remote-close", "downstream_remote_disconnect");
    else {
      this.#requestDone = true;
      this.#sink?.onData(emptyChunk, true);
    }
  }

  sendInformational(head: ResponseHead): void {
    if (this.#headSent || this.#toVersion10) return;
    const fields = appendFields("", head.headers, this.#options.nameCase);
    this.#writeHead(statusLine(head.status, false), fields);
  }

  sendHead(head: ResponseHead, end: boolean): void {
    this.#headSent = true;
    const upgraded = this.#tunnelAsked && this.#switches(head.status);
    let text = appendFields("", head.headers, this.#options.nameCase);
    const framing = upgraded ? "" : this.#frame(head, end);
    if (upgraded) this.#framing = "tunnel";
    if (this.closing && !upgraded)
      text +=
        this.#options.nameCase === "lower" ? "connection: close\r\n" : "Connection: close\r\n";
    else if (this.#toVersion10 && this.#keepAlive10) text += "connection: keep-alive\r\n";
    this.#writeHead(statusLine(head.status, this.#toVersion10), text + framing);
    if (end) this.#endResponse();
  }

  /** RFC 9110 §9.3.6 and §15.2.2: what turns the connection into a tunnel. */
  #switches(status: number): boolean {
    return this.#connect ? status >= 200 && status < 300 : status === 101;
  }

  #frame(head: ResponseHead, end: boolean): string {
    if (this.#tunnelAsked) {
      // Refused: the client may send anything now; nothing after this answer can be trusted to be a request.
      this.#closing = true;
      this.#read = "refused";
      this.#requestDone = true;
    }
    this.#framing = responseFraming(head, end, this.#toHead, this.#toVersion10);
    if (this.#toVersion10 && !this.#keepAlive10) this.#closing = true;
    if (this.#framing === "until-close") this.#closing = true;
    if (this.#framing === "chunked")
      return this.#name("transfer-encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n");
    if (
      !end ||
      head.status < 200 ||
      head.status === 204 ||
      head.status === 304 ||
      head.headers.has("content-length")
    )
      return "";
    if (this.#toHead)
      return this.#toVersion10
        ? ""
        : this.#name("transfer-encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n");
    return this.#name("content-length: 0\r\n", "Content-Length: 0\r\n");
  }

  #name(lower: string, proper: string): string {
    return this.#options.nameCase === "lower" ? lower : proper;
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    const framing = this.#framing;
    if (chunk.length > 0 && framing !== "none") {
      this.meter.wireSent += chunk.length;
      if (framing === "chunked") {
        this.#writeText(`${chunk.length.toString(16)}\r\n`);
        this.#output.write(chunk);
        this.#writeText(end ? "\r\n0\r\n\r\n" : "\r\n");
      } else this.#output.write(chunk);
    } else if (end && framing === "chunked") this.#writeText("0\r\n\r\n");
    if (end) this.#endResponse();
  }

  sendTrailers(trailers: HeaderList): void {
    if (this.#framing === "chunked") {
      this.#writeText(
        this.#options.enableTrailers
          ? `${appendFields("0\r\n", trailers, this.#options.nameCase)}\r\n`
          : "0\r\n\r\n",
      );
    }
    this.#endResponse();
  }

  /** The status line and the empty line are not fields. */
  #writeHead(status: string, fields: string): void {
    const text = `${status}${fields}\r\n`;
    this.meter.countHeaderSent(text.length, fields.length);
    this.#output.writeText(text);
  }

  #writeText(text: string): void {
    this.meter.wireSent += text.length;
    this.#output.writeText(text);
  }

  #endResponse(): void {
    this.#responseDone = true;
    // An answer before the end of its request: the rest of the body cannot be told from a next request by a confused peer.
    if (!this.#requestDone) this.#closing = true;
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#responseDone || !this.#requestDone) return;
    this.#sink = undefined;
    if (this.closing || this.#ended) {
      this.#read = "refused";
      this.#releaseHeld();
      return;
    }
    if (!this.#unwritable) this.#readNext();
  }

  /**
   * Not before the client has taken most of the last answer: a client that sends requests and reads no answers would otherwise have
   * each of them kept here.
   */
  #readNext(): void {
    if (this.#read === "waiting") this.#read = "head";
    if (this.#held === undefined) return;
    const held = this.#held;
    this.#held = undefined;
    // The next pipelined request is read in an event of its own, so that a long pipeline cannot recurse.
    process.nextTick(() => this.#continueWith(held));
  }

  #continueWith(held: Uint8Array): void {
    if (this.#ended) this.#read = "refused";
    this.#consume(held);
    if (this.#read !== "waiting" || this.#held === undefined) this.#releaseHeld();
  }

  /** Nothing is held any more for a later request: the connection may be read again, if only to throw away what comes. */
  #releaseHeld(): void {
    if (this.#read === "refused") this.#held = undefined;
    if (!this.#heldPaused) return;
    this.#heldPaused = false;
    this.#output.resume();
  }

  reset(_reason: ResetReason): void {
    this.#closing = true;
    this.#responseDone = true;
    this.#requestDone = true;
    this.#sink = undefined;
    this.#read = "refused";
  }

  pause(): void {
    this.#output.pause();
  }

  resume(): void {
    this.#output.resume();
  }

  goAway(): void {
    this.#goAway = true;
  }

  noticeGoAway(): void {}

  onWritable(): void {
    this.#unwritable = false;
    if (this.#sink !== undefined) this.#sink.onWritable();
    else if (this.#responseDone && this.#requestDone && this.#read === "waiting") this.#readNext();
  }

  onUnwritable(): void {
    this.#unwritable = true;
    this.#sink?.onUnwritable();
  }
}

const emptyChunk = new Uint8Array(0);

function isLetter(byte: number | undefined): boolean {
  const lower = (byte ?? 0) | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function chunkedProblemDetail(problem: ChunkedProblem): string {
  if (problem === "trailers-too-large") return "http1.trailers_too_large";
  return problem === "too-many-trailers" ? "http1.too_many_trailers" : "http1.codec_error";
}
