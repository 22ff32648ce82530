/** HTTP/2 codecs without a socket: bytes in, and what they said and wrote kept for a test to look at. */
import { Http2ClientCodec, type Http2ClientHandler } from "#http/h2/client.ts";
import type { FrameSink } from "#http/h2/frame-writer.ts";
import { FrameType } from "#http/h2/frames.ts";
import { type Http2Options, http2Defaults } from "#http/h2/http2-options.ts";
import { Http2ServerCodec, type Http2ServerHandler } from "#http/h2/server.ts";
import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type RequestSink,
  type RequestStream,
  ResponseHead,
  type ResponseSink,
  type ResponseStream,
} from "#http/message.ts";
import { clientBegin, type Frame, parseFrames } from "./frames.ts";
import { CountedStats } from "./tiny-server.ts";

/** A connection's output, whose events end by hand. */
export class MemoryOutput implements FrameSink {
  /** Octets that have not left: while `stuck`, none do. */
  unsent = 0;
  stuck = false;
  #chunks: Buffer[] = [];
  #sources: { onGather(): void }[] = [];

  write(chunk: Uint8Array): boolean {
    this.#chunks.push(Buffer.from(chunk));
    if (this.stuck) this.unsent += chunk.length;
    return true;
  }

  gather(source: { onGather(): void }): void {
    this.#sources.push(source);
  }

  endEvent(): void {
    for (let source = this.#sources.shift(); source !== undefined; source = this.#sources.shift())
      source.onGather();
  }

  /** What was written since the last call. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }

  takeFrames(): Frame[] {
    return parseFrames(this.take());
  }
}

/** The events of one stream, a line each; a body is one line however it came. */
export class StreamLog {
  readonly lines: string[] = [];
  #body = 0;

  add(line: string): void {
    if (this.#body > 0) this.lines.push(`data ${this.#body}`);
    this.#body = 0;
    this.lines.push(line);
  }

  data(chunk: Uint8Array, end: boolean): void {
    this.#body += chunk.length;
    if (end) this.add("end");
  }

  /** Of a stream that was reset, how much of its body came before is a matter of how the bytes were cut. */
  reset(reason: string, detail: string): void {
    this.#body = 0;
    this.add(`reset ${reason} ${detail}`);
  }

  text(): string {
    return this.#body > 0
      ? [...this.lines, `data ${this.#body}`].join("\n")
      : this.lines.join("\n");
  }
}

function fieldsText(headers: HeaderList): string {
  return [...headers].map(([name, value]) => `${name}=${value}`).join("&");
}

export class ServedStream implements RequestSink {
  readonly stream: ResponseStream;
  readonly log: StreamLog = new StreamLog();
  readonly #onEnd: (stream: ResponseStream) => void;

  constructor(stream: ResponseStream, onEnd: (stream: ResponseStream) => void) {
    this.stream = stream;
    this.#onEnd = onEnd;
  }

  onHead(head: RequestHead, end: boolean): void {
    const { method, path, authority, headers } = head;
    this.log.add(`${method} ${path} ${authority} ${fieldsText(headers)}${end ? " end" : ""}`);
    if (end) this.#onEnd(this.stream);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.log.data(chunk, end);
    if (end) this.#onEnd(this.stream);
  }

  onTrailers(trailers: HeaderList): void {
    this.log.add(`trailers ${fieldsText(trailers)}`);
    this.#onEnd(this.stream);
  }

  onReset(reason: string, detail: string): void {
    this.log.reset(reason, detail);
  }

  onWritable(): void {}

  onUnwritable(): void {}
}

export interface ServerRunOptions extends Partial<Http2Options> {
  /** What to do with a request that is whole; nothing by default: streams stay open. */
  readonly onEnd?: (stream: ResponseStream) => void;
  /** Streams are paused from their begin: no window is given back. */
  readonly paused?: boolean;
}

/** An empty answer. */
export function answerEmpty(stream: ResponseStream): void {
  stream.sendHead(new ResponseHead(204), true);
}

export class ServerRun implements Http2ServerHandler {
  readonly output: MemoryOutput = new MemoryOutput();
  readonly stats: CountedStats = new CountedStats();
  readonly streams: ServedStream[] = [];
  readonly codec: Http2ServerCodec;
  nowMs = 0;
  /** Why the connection broke. */
  broken: string | undefined = undefined;
  readonly #onEnd: (stream: ResponseStream) => void;
  readonly #paused: boolean;

  constructor(options: ServerRunOptions = {}) {
    const { onEnd = () => {}, paused = false, ...codecOptions } = options;
    this.#onEnd = onEnd;
    this.#paused = paused;
    const services = { stats: this.stats.stats, now: () => this.nowMs };
    this.codec = new Http2ServerCodec(
      { ...http2Defaults, ...codecOptions },
      services,
      this.output,
      this,
    );
  }

  /** One event of the socket. */
  feed(...pieces: readonly Uint8Array[]): void {
    this.codec.feed(Buffer.concat(pieces));
    this.output.endEvent();
  }

  onStream(stream: ResponseStream): RequestSink {
    if (this.#paused) stream.pause();
    const served = new ServedStream(stream, this.#onEnd);
    this.streams.push(served);
    return served;
  }

  onProtocolError(): void {}

  onConnectionError(detail: string): void {
    this.broken = detail;
  }

  onRefusedHead(_detail: string): void {}

  onDrained(): void {}

  text(): string {
    return [...this.streams.map(({ log }) => log.text()), `broken: ${this.broken}`].join("\n--\n");
  }
}

/** A connection past its SETTINGS, with nothing written since. */
export function connected(options: ServerRunOptions = {}): ServerRun {
  const run = new ServerRun(options);
  run.feed(clientBegin);
  run.output.take();
  return run;
}

class RequestedStream implements ResponseSink {
  readonly log: StreamLog = new StreamLog();

  onInformational(head: ResponseHead): void {
    this.log.add(`informational ${head.status}`);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.log.add(`${head.status} ${fieldsText(head.headers)}${end ? " end" : ""}`);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.log.data(chunk, end);
  }

  onTrailers(trailers: HeaderList): void {
    this.log.add(`trailers ${fieldsText(trailers)}`);
  }

  onReset(reason: string, detail: string): void {
    this.log.reset(reason, detail);
  }

  onWritable(): void {}

  onUnwritable(): void {}
}

export class ClientRun implements Http2ClientHandler {
  readonly output: MemoryOutput = new MemoryOutput();
  readonly stats: CountedStats = new CountedStats();
  readonly requests: RequestStream[] = [];
  readonly codec: Http2ClientCodec;
  broken: string | undefined = undefined;
  done = 0;
  readonly #sinks: RequestedStream[] = [];
  readonly #events: string[] = [];

  constructor(options: Partial<Http2Options> = {}) {
    const services = { stats: this.stats.stats, now: () => 0 };
    this.codec = new Http2ClientCodec(
      { ...http2Defaults, ...options },
      services,
      this.output,
      this,
    );
    this.output.endEvent();
  }

  feed(...pieces: readonly Uint8Array[]): void {
    this.codec.feed(Buffer.concat(pieces));
    this.output.endEvent();
  }

  /** Streams 1, 3, 5 and so on. */
  request(method: string, end = true): RequestStream {
    const sink = new RequestedStream();
    this.#sinks.push(sink);
    const stream = this.codec.newStream(sink);
    this.requests.push(stream);
    stream.sendHead(new RequestHead(method, "/", "h", 20, new HeaderList()), end);
    this.output.endEvent();
    return stream;
  }

  onStreamDone(): void {
    this.done++;
  }

  onProtocolError(detail: string): void {
    this.broken = detail;
  }

  onGoAway(): void {
    this.#events.push("goaway");
  }

  onConcurrency(): void {
    this.#events.push(`concurrency ${this.codec.concurrency}`);
  }

  text(): string {
    const streams = this.#sinks.map(({ log }) => log.text());
    return [...streams, ...this.#events, `broken: ${this.broken}`, `done: ${this.done}`].join(
      "\n--\n",
    );
  }
}

/** By type, with the error code of those that have one: "RST_STREAM(8)", "GOAWAY(1)", "SETTINGS". */
export function frameNames(frames: readonly Frame[]): string[] {
  const names = new Map<number, string>(
    Object.entries(FrameType).map(([name, type]) => [type, name]),
  );
  return frames.map(({ type, payload }) => {
    const name = names.get(type) ?? String(type);
    if (type === FrameType.rstStream) return `${name} ${payload.readUInt32BE(0)}`;
    return type === FrameType.goAway ? `${name} ${payload.readUInt32BE(4)}` : name;
  });
}
