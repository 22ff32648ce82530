import { Http1ServerCodec } from "#http/h1/server.ts";
import { HeaderList } from "#http/headers.ts";
import {
  type RequestHead,
  type RequestSink,
  ResponseHead,
  type ResponseStream,
  type ServerCodecHandler,
} from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { CloseReason, Connection, ConnectionHandler } from "#net/connection.ts";
import { dispatch } from "#net/raw-connection.ts";
import { httpDate } from "../filters/network/http-connection-manager/http-date.ts";
import { type AdminAnswer, type AdminRequest, textType } from "./page.ts";
import { parseQuery } from "./query.ts";

const formBytesMax = 64 * 1024;

const codecOptions = {
  headBytesMax: 60 * 1024,
  fieldsMax: 100,
  lenient: undefined,
  acceptHttp10: true,
  defaultHostForHttp10: "admin",
  allowAbsoluteUrl: true,
  allowChunkedLength: false,
  enableTrailers: false,
  nameCase: "lower",
  secure: false,
} as const;

/** One exchange on the admin port, for stats and access logs. */
export interface AdminExchange {
  readonly connection: Connection;
  /** Undefined when the head was no request. */
  readonly head: RequestHead | undefined;
  readonly requestBytes: number;
  readonly startWallMs: number;
  readonly startMs: number;
}

export interface AdminConnectionOwner {
  readonly clock: Clock;
  answer(request: AdminRequest): Promise<AdminAnswer>;
  onRequest(connection: Connection): void;
  onAnswer(exchange: AdminExchange, head: ResponseHead, bodyBytes: number): void;
  onProtocolError(): void;
  onGone(connection: AdminConnection, reason: CloseReason): void;
}

/** One client of the admin port. On our own codec: the runtime's HTTP server costs a sidecar 15 MB. */
export class AdminConnection implements ConnectionHandler, ServerCodecHandler, RequestSink {
  readonly connection: Connection;
  readonly #codec: Http1ServerCodec;
  readonly #owner: AdminConnectionOwner;
  #stream: ResponseStream | undefined;
  #exchange: AdminExchange;
  #form: Buffer[] = [];
  #formBytes = 0;

  constructor(connection: Connection, owner: AdminConnectionOwner) {
    this.connection = connection;
    this.#owner = owner;
    this.#codec = new Http1ServerCodec(codecOptions, connection, this);
    this.#exchange = this.#newExchange(undefined);
    connection.handler = this;
  }

  close(): void {
    this.connection.closeAfterFlush();
  }

  onStream(stream: ResponseStream): RequestSink {
    this.#stream = stream;
    this.#form = [];
    this.#formBytes = 0;
    return this;
  }

  onProtocolError(stream: ResponseStream, status: number): void {
    this.#stream = stream;
    this.#exchange = this.#newExchange(undefined);
    this.#owner.onProtocolError();
    this.#send({ status, body: "" }, false);
  }

  onHead(head: RequestHead, end: boolean): void {
    this.#exchange = this.#newExchange(head);
    this.#owner.onRequest(this.connection);
    if (end) this.#serve(head);
  }

  onRequestData(chunk: Uint8Array, end: boolean): void {
    this.#formBytes += chunk.length;
    // Copied: the chunk is the socket's.
    if (this.#formBytes <= formBytesMax) this.#form.push(Buffer.from(chunk));
    const { head } = this.#exchange;
    if (end && head !== undefined) this.#serve(head);
  }

  onTrailers(): void {
    const { head } = this.#exchange;
    if (head !== undefined) this.#serve(head);
  }

  onReset(): void {
    this.#stream = undefined;
  }

  #newExchange(head: RequestHead | undefined): AdminExchange {
    const { clock } = this.#owner;
    return {
      connection: this.connection,
      head,
      requestBytes: this.#formBytes,
      startWallMs: clock.wallMs(),
      startMs: clock.monotonicMs(),
    };
  }

  #serve(head: RequestHead): void {
    this.#exchange = { ...this.#exchange, requestBytes: this.#formBytes };
    if (this.#formBytes > formBytesMax) {
      this.#send({ status: 413, body: "Payload Too Large" }, false);
      return;
    }
    void this.#owner
      .answer(this.#request(head))
      .then((answer) => dispatch(() => this.#send(answer, head.method === "HEAD")));
  }

  #request({ method, path: target }: RequestHead): AdminRequest {
    const [whole = ""] = target.split("#");
    const mark = whole.indexOf("?");
    const path = mark === -1 ? whole : whole.slice(0, mark);
    const query = parseQuery(mark === -1 ? "" : whole.slice(mark + 1));
    const form = parseQuery(Buffer.concat(this.#form).toString("latin1"));
    return {
      method,
      // Envoy's admin merges slashes.
      path: path.replace(/\/{2,}/g, "/"),
      query: method === "POST" && query.size === 0 ? form : query,
    };
  }

  #send(answer: AdminAnswer, bodiless: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || this.connection.closed) return;
    this.#stream = undefined;
    const body = Buffer.from(answer.body, "utf8");
    const headers = new HeaderList([
      "content-type",
      answer.type ?? textType,
      "cache-control",
      "no-cache, max-age=0",
      "x-content-type-options",
      "nosniff",
      "date",
      httpDate(this.#owner.clock.wallMs()),
      "server",
      "envoy",
      "content-length",
      String(body.length),
    ]);
    const head = new ResponseHead(answer.status ?? 200, headers);
    const end = bodiless || body.length === 0;
    this.#owner.onAnswer(this.#exchange, head, end ? 0 : body.length);
    stream.sendHead(head, end);
    if (!end) stream.sendData(body, true);
    if (this.#codec.closing) this.connection.closeAfterFlush();
  }

  /** Bytes from the socket and a request's body share this name: the codec calls it with `end`. */
  onData(chunk: Uint8Array, end?: boolean): void {
    if (end === undefined) this.#codec.feed(chunk);
    else this.onRequestData(chunk, end);
  }

  onEnd(): void {
    this.#codec.onEnd();
    if (this.#stream === undefined) this.connection.closeAfterFlush();
  }

  onUnwritable(): void {}

  onWritable(): void {
    this.#codec.onWritable();
  }

  onClose(reason: CloseReason): void {
    this.#stream = undefined;
    this.#owner.onGone(this, reason);
  }
}
