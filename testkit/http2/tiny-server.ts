/** A small HTTP/2 server on our codec and `net/listen.ts`: what h2spec, h2load and node:http2 talk to. */

import type { FrameSink } from "#http/h2/frame-writer.ts";
import {
  type Http2Options,
  type Http2Stats,
  http2CounterNames,
  http2Defaults,
  http2GaugeNames,
} from "#http/h2/http2-options.ts";
import { Http2ServerCodec, type Http2ServerHandler } from "#http/h2/server.ts";
import { HeaderList } from "#http/headers.ts";
import {
  type RequestHead,
  type RequestSink,
  ResponseHead,
  type ResponseStream,
} from "#http/message.ts";
import { ipAddress } from "#net/address.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import { type ListeningSocket, listen } from "#net/listen.ts";
import type { RawConnection } from "#net/raw-connection.ts";
import { TlsConnection, type TlsSettings } from "#net/tls-connection.ts";

/** Counts by our names. */
export class CountedStats {
  readonly values: Map<string, number> = new Map();
  readonly stats: Http2Stats;

  constructor() {
    const names = [...Object.keys(http2CounterNames), ...Object.keys(http2GaugeNames)];
    const slots: unknown = Object.fromEntries(names.map((name) => [name, this.#slot(name)]));
    // The names are the keys of Http2Stats, by its definition.
    this.stats = slots as Http2Stats;
  }

  get(name: keyof Http2Stats): number {
    return this.values.get(name) ?? 0;
  }

  #slot(name: string): { inc(): void; dec(): void; add(n: number): void } {
    const add = (n: number): void => {
      this.values.set(name, (this.values.get(name) ?? 0) + n);
    };
    return { inc: () => add(1), dec: () => add(-1), add };
  }
}

export interface TinyServer {
  readonly port: number;
  readonly stats: CountedStats;
  close(): void;
}

/** Answers each request when it has ended: `/echo` with its body, `/size/N` with N octets, anything else with a few. */
export async function startTinyServer(
  options: Partial<Http2Options> = {},
  tls?: TlsSettings,
): Promise<TinyServer> {
  const stats = new CountedStats();
  const all = { ...http2Defaults, ...options };
  const open = new Set<Connection>();
  const serve = (connection: Connection): void => {
    open.add(connection);
    new Served(connection, all, stats.stats, () => open.delete(connection));
  };
  const socket: ListeningSocket = await listen(ipAddress("127.0.0.1", 0), {}, (raw) => {
    if (tls === undefined) serve(raw);
    const connection: RawConnection =
      tls === undefined
        ? raw
        : new TlsConnection(raw, tls, { onSecure: () => serve(connection), onFailed: () => {} });
    connection.start();
  });
  return {
    port: socket.address.port,
    stats,
    close: () => {
      socket.close();
      for (const connection of open) connection.destroy();
    },
  };
}

class Served implements ConnectionHandler, Http2ServerHandler {
  readonly #connection: Connection;
  readonly #codec: Http2ServerCodec;
  readonly #onGone: () => void;

  constructor(
    connection: Connection & FrameSink,
    options: Http2Options,
    stats: Http2Stats,
    onGone: () => void,
  ) {
    this.#connection = connection;
    this.#onGone = onGone;
    connection.handler = this;
    const services = { stats, now: () => performance.now() };
    this.#codec = new Http2ServerCodec(options, services, connection, this);
  }

  onStream(stream: ResponseStream): RequestSink {
    return new Answer(stream);
  }

  onProtocolError(): void {}

  onConnectionError(): void {
    this.#connection.shutdown();
  }

  onData(chunk: Uint8Array): void {
    this.#codec.feed(chunk);
  }

  onEnd(): void {
    this.#codec.onEnd();
    this.#connection.closeAfterFlush();
  }

  onUnwritable(): void {
    this.#codec.onUnwritable();
  }

  onWritable(): void {
    this.#codec.onWritable();
  }

  onClose(_reason: CloseReason): void {
    this.#codec.onEnd();
    this.#onGone();
  }
}

const hello = Buffer.from("hello, world\n");

class Answer implements RequestSink {
  readonly #stream: ResponseStream;
  #head: RequestHead | undefined;
  #started = false;

  constructor(stream: ResponseStream) {
    this.#stream = stream;
  }

  onHead(head: RequestHead, end: boolean): void {
    this.#head = head;
    if (end) this.#answer();
    else if (head.path === "/echo") this.#startEcho();
  }

  #startEcho(): void {
    this.#started = true;
    const type = this.#head?.headers.get("content-type") ?? "application/octet-stream";
    this.#stream.sendHead(new ResponseHead(200, HeaderList.of({ "content-type": type })), false);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#started) this.#stream.sendData(chunk, end);
    else if (end) this.#answer();
  }

  onTrailers(trailers: HeaderList): void {
    if (this.#started) this.#stream.sendTrailers(trailers);
    else this.#answer();
  }

  #answer(): void {
    const path = this.#head?.path ?? "";
    const body = path.startsWith("/size/") ? Buffer.alloc(Number(path.slice(6)), "x") : hello;
    const bodiless = this.#head?.method === "HEAD";
    const headers = HeaderList.of({
      "content-type": "text/plain",
      "content-length": String(body.length),
      server: "tiny",
    });
    this.#stream.sendHead(new ResponseHead(200, headers), bodiless);
    if (!bodiless) this.#stream.sendData(body, true);
  }

  onReset(): void {}

  onWritable(): void {
    if (this.#started) this.#stream.resume();
  }

  onUnwritable(): void {
    if (this.#started) this.#stream.pause();
  }
}
