/** A client on our HTTP/2 codec, for tests. */
import { Http2ClientCodec, type Http2ClientHandler } from "#http/h2/client.ts";
import { type Http2Options, http2Defaults } from "#http/h2/http2-options.ts";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, RequestStream, ResponseHead, ResponseSink } from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import { connect } from "#net/connect.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import { dispatch } from "#net/raw-connection.ts";
import { CountedStats } from "./tiny-server.ts";

export interface Received {
  readonly informational: readonly number[];
  readonly head: ResponseHead | undefined;
  readonly body: Buffer;
  readonly trailers: HeaderList | undefined;
  /** Reason and detail of a reset. */
  readonly reset: string | undefined;
}

class Collector implements ResponseSink {
  readonly done: Promise<Received>;
  readonly #resolve: (received: Received) => void;
  #head: ResponseHead | undefined;
  #trailers: HeaderList | undefined;
  readonly #informational: number[] = [];
  readonly #chunks: Buffer[] = [];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Received>();
    this.done = promise;
    this.#resolve = resolve;
  }

  #finish(reset?: string): void {
    this.#resolve({
      informational: this.#informational,
      head: this.#head,
      body: Buffer.concat(this.#chunks),
      trailers: this.#trailers,
      reset,
    });
  }

  onInformational(head: ResponseHead): void {
    this.#informational.push(head.status);
  }

  onHead(head: ResponseHead, end: boolean): void {
    this.#head = head;
    if (end) this.#finish();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.#chunks.push(Buffer.from(chunk));
    if (end) this.#finish();
  }

  onTrailers(trailers: HeaderList): void {
    this.#trailers = trailers;
    this.#finish();
  }

  onReset(reason: string, detail: string): void {
    this.#finish(`${reason} ${detail}`.trim());
  }

  onWritable(): void {}

  onUnwritable(): void {}
}

export class TinyClient implements ConnectionHandler, Http2ClientHandler {
  readonly codec: Http2ClientCodec;
  readonly stats: CountedStats = new CountedStats();
  /** What the codec said beside the streams' events. */
  readonly events: string[] = [];
  readonly #connection: Connection;
  #waiting: { event: string; resolve: () => void }[] = [];

  private constructor(connection: Connection, options: Http2Options) {
    this.#connection = connection;
    connection.handler = this;
    const services = { stats: this.stats.stats, now: () => performance.now() };
    this.codec = new Http2ClientCodec(options, services, connection, this);
  }

  static connect(port: number, options: Partial<Http2Options> = {}): Promise<TinyClient> {
    return new Promise((resolve, reject) => {
      connect(
        ipAddress("127.0.0.1", port),
        {},
        {
          onConnect: (connection) =>
            resolve(new TinyClient(connection, { ...http2Defaults, ...options })),
          onError: (detail) => reject(new Error(detail)),
        },
      );
    });
  }

  /** `body`: chunks; an empty list ends the request with its head. */
  send(
    head: RequestHead,
    body: readonly Uint8Array[] = [],
    trailers?: HeaderList,
  ): Promise<Received> {
    const collector = new Collector();
    dispatch(() => {
      const stream: RequestStream = this.codec.newStream(collector);
      const last = body.length - 1;
      stream.sendHead(head, last < 0 && trailers === undefined);
      for (const [i, chunk] of body.entries())
        stream.sendData(chunk, i === last && trailers === undefined);
      if (trailers !== undefined) stream.sendTrailers(trailers);
    });
    return collector.done;
  }

  until(event: string): Promise<void> {
    if (this.events.includes(event)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ event, resolve }));
  }

  close(): void {
    this.#connection.destroy();
  }

  #say(event: string): void {
    this.events.push(event);
    for (const waiter of this.#waiting) if (waiter.event === event) waiter.resolve();
    this.#waiting = this.#waiting.filter((waiter) => waiter.event !== event);
  }

  onStreamDone(reusable: boolean): void {
    this.#say(`done ${reusable ? "reusable" : "last"}`);
  }

  onProtocolError(detail: string): void {
    this.#say(`error ${detail}`);
    this.#connection.closeAfterFlush();
  }

  onGoAway(): void {
    this.#say("goaway");
  }

  onConcurrency(): void {
    this.#say("concurrency");
  }

  onPong(): void {
    this.#say("pong");
  }

  onData(chunk: Uint8Array): void {
    this.codec.feed(chunk);
  }

  onEnd(): void {
    this.codec.onEnd();
    this.#connection.closeAfterFlush();
  }

  onWritable(): void {
    this.codec.onWritable();
  }

  onUnwritable(): void {
    this.codec.onUnwritable();
  }

  onClose(): void {
    this.codec.onEnd();
    this.#say("closed");
  }
}
