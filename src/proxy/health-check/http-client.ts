import { Http1ClientCodec } from "#http/h1/client.ts";
import { Http2ClientCodec, type Http2ClientHandler } from "#http/h2/client.ts";
import type { ClientCodec, RequestStream, ResponseSink } from "#http/message.ts";
import type { PendingConnect } from "#net/connect.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import type { CheckProtocol, Connector } from "./connector.ts";

/** One connection for one exchange at a time. When it has `ended` the next check makes another. */
export class CheckClient implements ConnectionHandler, Http2ClientHandler {
  readonly #connector: Connector;
  readonly #protocol: CheckProtocol;
  #pending: PendingConnect | undefined;
  #connection: Connection | undefined;
  #codec: ClientCodec | undefined;
  #stream: RequestStream | undefined;
  #busy = false;
  #closing = false;
  #closed = false;

  constructor(connector: Connector, protocol: CheckProtocol) {
    this.#connector = connector;
    this.#protocol = protocol;
  }

  /** It takes no further request. */
  get ended(): boolean {
    return this.#closing || this.#closed;
  }

  /** `send` is called when there is a connection. What becomes of it all, `sink` hears. */
  request(sink: ResponseSink, send: (stream: RequestStream) => void): void {
    this.#busy = true;
    if (this.#codec !== undefined) {
      this.#begin(this.#codec, sink, send);
      return;
    }
    this.#pending = this.#connector.connect({
      onConnect: (connection) => {
        this.#pending = undefined;
        this.#begin(this.#adopt(connection), sink, send);
      },
      onError: (detail) => {
        this.#pending = undefined;
        this.#closed = true;
        sink.onReset("connect", detail);
      },
    });
  }

  #adopt(connection: Connection): ClientCodec {
    const { http, http2Services } = this.#connector.settings;
    this.#connection = connection;
    connection.handler = this;
    this.#codec =
      this.#protocol === 20
        ? new Http2ClientCodec(http.http2.options, http2Services, connection, this)
        : new Http1ClientCodec(http.http1, connection, this);
    return this.#codec;
  }

  #begin(codec: ClientCodec, sink: ResponseSink, send: (stream: RequestStream) => void): void {
    this.#stream = codec.newStream(sink);
    send(this.#stream);
  }

  /** The exchange is no longer wanted; HTTP/2 goes on with others. */
  resetStream(): void {
    if (this.#protocol === 20 && this.#stream !== undefined) this.#stream.reset("local");
    else this.close();
  }

  /** After the running exchange. */
  finish(): void {
    this.#closing = true;
    if (!this.#busy) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pending?.cancel();
    this.#connection?.destroy();
  }

  onStreamDone(reusable: boolean): void {
    this.#busy = false;
    this.#stream = undefined;
    if (!reusable) this.#closing = true;
    if (this.#closing) this.close();
  }

  onProtocolError(): void {
    this.#closing = true;
    this.#connection?.closeAfterFlush();
  }

  onGoAway(): void {
    this.finish();
  }

  onConcurrency(): void {}

  onData(chunk: Uint8Array): void {
    this.#codec?.feed(chunk);
  }

  onEnd(): void {
    this.#closing = true;
    this.#codec?.onEnd();
    this.#connection?.closeAfterFlush();
  }

  onWritable(): void {
    this.#codec?.onWritable();
  }

  onUnwritable(): void {
    this.#codec?.onUnwritable();
  }

  onClose(): void {
    this.#closed = true;
    this.#codec?.onEnd();
  }
}
