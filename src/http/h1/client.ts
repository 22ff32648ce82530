import { ByteMeter } from "../byte-meter.ts";
import type { HeaderList } from "../headers.ts";
import type {
  ClientCodec,
  ClientCodecHandler,
  RequestHead,
  RequestStream,
  ResetReason,
  ResponseHead,
  ResponseSink,
} from "../message.ts";
import { ChunkedDecoder, type ChunkedEvents } from "./chunked.ts";
import { appendFields, type Framing, type NameCase, requestFraming } from "./encode.ts";
import { type Http1Limits, hasForbiddenByteSoFar, laxSectionEnd } from "./fields.ts";
import { latin1 } from "./latin1.ts";
import { parseResponse } from "./response-head.ts";
import type { ByteSink } from "./server.ts";

export interface Http1ClientOptions extends Http1Limits {
  readonly enableTrailers: boolean;
  readonly nameCase: NameCase;
  /** Content-Length beside Transfer-Encoding in a response: drop the length instead of refusing. */
  readonly allowChunkedLength: boolean;
}

type ReadState = "idle" | "head" | "length" | "chunked" | "until-close" | "tunnel" | "broken";

const firstLook = 4096;
const emptyChunk = new Uint8Array(0);

/** RFC 9110 §8.6: these say with `content-length: 0` that their empty body is meant. */
function expectsBody(method: string): boolean {
  return (
    method !== "GET" &&
    method !== "HEAD" &&
    method !== "DELETE" &&
    method !== "TRACE" &&
    method !== "CONNECT"
  );
}

/** HTTP/1.1 client side: one exchange at a time. Itself the RequestStream of that exchange. */
export class Http1ClientCodec implements ClientCodec, RequestStream, ChunkedEvents {
  readonly protocol = 11;
  readonly concurrency = 1;
  meter: ByteMeter = new ByteMeter();
  readonly #options: Http1ClientOptions;
  readonly #output: ByteSink;
  readonly #handler: ClientCodecHandler;
  readonly #chunked: ChunkedDecoder;
  #sink: ResponseSink | undefined;
  #read: ReadState = "idle";
  #held: Uint8Array | undefined;
  #bodyLeft = 0;
  #framing: Framing = "none";
  #method = "";
  #requestDone = true;
  #responseDone = true;
  #reusable = true;
  #tunnelAsked = false;
  /** Length of the line ends that closed the head found last. */
  #endLength = 4;
  /** The connection's unsent bytes are above the watermark. */
  #unwritable = false;

  constructor(options: Http1ClientOptions, output: ByteSink, handler: ClientCodecHandler) {
    this.#options = options;
    this.#output = output;
    this.#handler = handler;
    this.#chunked = new ChunkedDecoder(options);
  }

  newStream(sink: ResponseSink): RequestStream {
    this.#sink = sink;
    this.meter = new ByteMeter();
    this.#requestDone = false;
    this.#responseDone = false;
    this.#tunnelAsked = false;
    this.#read = "head";
    return this;
  }

  sendHead(head: RequestHead, end: boolean): void {
    this.#method = head.method;
    const connect = head.method === "CONNECT";
    this.#tunnelAsked = connect || head.upgrade !== undefined;
    this.#framing = requestFraming(head, end);
    const lower = this.#options.nameCase === "lower";
    const target = connect ? head.authority : head.path;
    const line = `${head.method} ${target} HTTP/1.1\r\n`;
    let text = `${line}${lower ? "host" : "Host"}: ${head.authority}\r\n`;
    text = appendFields(text, head.headers, this.#options.nameCase);
    if (this.#framing === "chunked")
      text += lower ? "transfer-encoding: chunked\r\n" : "Transfer-Encoding: chunked\r\n";
    else if (this.#framing === "none" && expectsBody(head.method))
      text += lower ? "content-length: 0\r\n" : "Content-Length: 0\r\n";
    if (head.upgrade !== undefined && !connect)
      text += `${lower ? "connection" : "Connection"}: Upgrade\r\n${lower ? "upgrade" : "Upgrade"}: ${head.upgrade}\r\n`;
    text += "\r\n";
    this.meter.countHeaderSent(text.length, text.length - line.length - 2);
    this.#output.writeText(text);
    if (end && this.#framing !== "tunnel") this.#requestDone = true;
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    if (chunk.length > 0) {
      this.meter.wireSent += chunk.length;
      if (this.#framing === "chunked") {
        this.#writeText(`${chunk.length.toString(16)}\r\n`);
        this.#output.write(chunk);
        this.#writeText(end ? "\r\n0\r\n\r\n" : "\r\n");
      } else this.#output.write(chunk);
    } else if (end && this.#framing === "chunked") this.#writeText("0\r\n\r\n");
    if (end) this.#endRequest();
  }

  sendTrailers(trailers: HeaderList): void {
    if (this.#framing === "chunked") {
      this.#writeText(
        this.#options.enableTrailers
          ? `${appendFields("0\r\n", trailers, this.#options.nameCase)}\r\n`
          : "0\r\n\r\n",
      );
    }
    this.#endRequest();
  }

  #writeText(text: string): void {
    this.meter.wireSent += text.length;
    this.#output.writeText(text);
  }

  #endRequest(): void {
    this.#requestDone = true;
    if (this.#read === "tunnel") this.#output.shutdown?.();
    this.#finishIfDone();
  }

  feed(bytes: Uint8Array): void {
    let input = bytes;
    if (this.#held !== undefined) {
      input = Buffer.concat([this.#held, bytes]);
      this.#held = undefined;
    }
    let at = 0;
    while (at < input.length) {
      const used = this.#step(input, at);
      if (used === 0) {
        this.#held = new Uint8Array(input.subarray(at));
        return;
      }
      at += used;
      this.#settle(at < input.length);
    }
  }

  /**
   * Ends the exchange when its response is whole. Not earlier: the pool may begin the next exchange at once, and bytes behind this
   * response must not be read as the answer to that one.
   */
  #settle(more: boolean): void {
    if (!this.#responseDone || this.#sink === undefined) return;
    if (more) this.#reusable = false;
    this.#finishIfDone();
  }

  #step(input: Uint8Array, at: number): number {
    switch (this.#read) {
      case "head":
        return this.#readHead(input, at);
      case "length":
        return this.#readLength(input, at);
      case "chunked":
        return this.#readChunked(input, at);
      case "until-close":
      case "tunnel":
        this.meter.wireReceived += input.length - at;
        this.#sink?.onData(at === 0 ? input : input.subarray(at), false);
        return input.length - at;
      case "idle":
        // RFC 9112 §9.2: data on a connection without a request is not an answer to anything.
        this.#read = "broken";
        this.#handler.onProtocolError("unsolicited response");
        return input.length - at;
      default:
        return input.length - at;
    }
  }

  #readHead(input: Uint8Array, at: number): number {
    const max = Math.min(input.length, at + this.#options.headBytesMax + 4);
    let text = latin1(input, at, Math.min(max, at + firstLook));
    let end = this.#headEnd(text);
    if (end === -1 && max - at > firstLook) {
      text = latin1(input, at, max);
      end = this.#headEnd(text);
    }
    if (end === -1) {
      const hopeless = !couldBeHead(text, this.#options);
      // Three more bytes may be the begin of the head's end.
      if (!hopeless && text.length <= this.#options.headBytesMax + 3) return 0;
      this.#break("protocol", hopeless ? "http1.codec_error" : "http1.headers_too_large");
      return input.length - at;
    }
    const endLength = this.#endLength;
    const parsed = parseResponse(text, end, this.#method, this.#tunnelAsked, this.#options);
    if (parsed.head === undefined) {
      this.#break("protocol", parsed.detail);
      return input.length - at;
    }
    const head = parsed.head;
    this.meter.countHeaderReceived(end + endLength, parsed.fieldBytes);
    if (head.status < 200 && head.status !== 101) {
      this.#sink?.onInformational(head);
      return end + endLength;
    }
    this.#begin(head, parsed.framing, parsed.length, parsed.close);
    return end + endLength;
  }

  #headEnd(text: string): number {
    this.#endLength = 4;
    if (this.#options.lenient?.bareLf !== true) return text.indexOf("\r\n\r\n");
    const end = laxSectionEnd(text);
    this.#endLength = end.length;
    return end.at;
  }

  #begin(head: ResponseHead, framing: ReadState | "none", length: number, close: boolean): void {
    this.#reusable = !close && framing !== "until-close" && framing !== "tunnel";
    if (this.#tunnelAsked && framing !== "tunnel") this.#reusable = false;
    this.#bodyLeft = length;
    if (framing === "chunked") this.#chunked.reset();
    const end = framing === "none";
    this.#read = framing === "none" ? "idle" : framing;
    // Our side of the tunnel was over before the tunnel was there.
    if (framing === "tunnel" && this.#requestDone) this.#output.shutdown?.();
    if (end) this.#responseDone = true;
    this.#sink?.onHead(head, end);
  }

  #readLength(input: Uint8Array, at: number): number {
    const count = Math.min(this.#bodyLeft, input.length - at);
    this.#bodyLeft -= count;
    this.meter.wireReceived += count;
    const end = this.#bodyLeft === 0;
    if (end) this.#endRead();
    this.#sink?.onData(
      at === 0 && count === input.length ? input : input.subarray(at, at + count),
      end,
    );
    return count;
  }

  #readChunked(input: Uint8Array, at: number): number {
    const { meter } = this;
    const left = input.length - at;
    // Before its events: the last of them may end the exchange.
    meter.wireReceived += left;
    const used = this.#chunked.feed(input, at, this);
    meter.wireReceived -= left - used;
    if (this.#chunked.problem === undefined) return used;
    this.#break("protocol", "http1.codec_error");
    return input.length - at;
  }

  onChunkData(chunk: Uint8Array): void {
    this.#sink?.onData(chunk, false);
  }

  onChunkedEnd(trailers: HeaderList | undefined): void {
    this.#endRead();
    if (trailers !== undefined && this.#options.enableTrailers) this.#sink?.onTrailers(trailers);
    else this.#sink?.onData(emptyChunk, true);
  }

  #endRead(): void {
    this.#read = "idle";
    this.#responseDone = true;
  }

  /** The peer's FIN, or its connection lost: the end of a body framed by it, an abort of any other. */
  onEnd(): void {
    if (this.#responseDone) {
      // The response is whole, its request is not: nothing is left to send it to.
      this.reset("remote-close");
      return;
    }
    if (this.#read === "until-close" || this.#read === "tunnel") {
      this.#endRead();
      this.#reusable = false;
      this.#sink?.onData(emptyChunk, true);
      this.#finishIfDone();
      return;
    }
    // A body cut short is the peer's breach of protocol (RFC 9112 §8); before the head it is a closed connection.
    if (this.#read === "head") this.#break("remote-close", "");
    else this.#break("protocol", "http1.codec_error");
  }

  #break(reason: ResetReason, detail: string): void {
    const sink = this.#sink;
    this.#clear();
    this.#read = "broken";
    sink?.onReset(reason, detail);
    this.#handler.onStreamDone(false);
  }

  #finishIfDone(): void {
    if (!this.#responseDone || this.#sink === undefined) return;
    // An answer before the end of the request (RFC 9112 §9.3): the connection is out of step and cannot serve another.
    if (!this.#requestDone) {
      if (this.#framing !== "tunnel") return;
      this.#reusable = false;
    }
    // Answered before the server read the request: the next request's producer would never be told to wait.
    const reusable = this.#reusable && !this.#unwritable;
    this.#clear();
    this.#handler.onStreamDone(reusable);
  }

  #clear(): void {
    this.#sink = undefined;
    this.#requestDone = true;
    this.#responseDone = true;
  }

  reset(_reason: ResetReason): void {
    if (this.#sink === undefined) return;
    this.#clear();
    this.#read = "broken";
    this.#handler.onStreamDone(false);
  }

  pause(): void {
    this.#output.pause();
  }

  resume(): void {
    this.#output.resume();
  }

  onWritable(): void {
    this.#unwritable = false;
    this.#sink?.onWritable();
  }

  onUnwritable(): void {
    this.#unwritable = true;
    this.#sink?.onUnwritable();
  }
}

/** Refused at once, not at a timeout: what no later byte can make a head. */
function couldBeHead(text: string, options: Http1ClientOptions): boolean {
  if (!"HTTP/1.".startsWith(text.slice(0, 7))) return false;
  return options.lenient !== undefined || !hasForbiddenByteSoFar(text);
}
