import { Http1ServerCodec } from "#http/h1/server.ts";
import { HeaderList } from "#http/headers.ts";
import {
  type RequestHead,
  type RequestSink,
  ResponseHead,
  type ResponseStream,
  type ServerCodecHandler,
} from "#http/message.ts";
import { systemClock } from "#lib/clock.ts";
import type { Connection, ConnectionHandler } from "#net/connection.ts";
import { dispatch } from "#net/raw-connection.ts";
import { httpDate } from "../filters/network/http-connection-manager/http-date.ts";
import { type AdminAnswer, type AdminRequest, textType } from "./page.ts";

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

/** One client of the admin port. On our own codec: the runtime's HTTP server costs a sidecar 15 MB. */
export class AdminConnection implements ConnectionHandler, ServerCodecHandler, RequestSink {
  readonly #connection: Connection;
  readonly #codec: Http1ServerCodec;
  readonly #answer: (request: AdminRequest) => Promise<AdminAnswer>;
  readonly #gone: () => void;
  #stream: ResponseStream | undefined;
  #head: RequestHead | undefined;
  #form = "";

  constructor(
    connection: Connection,
    answer: (request: AdminRequest) => Promise<AdminAnswer>,
    gone: () => void,
  ) {
    this.#connection = connection;
    this.#answer = answer;
    this.#gone = gone;
    this.#codec = new Http1ServerCodec(codecOptions, connection, this);
    connection.handler = this;
  }

  close(): void {
    this.#connection.closeAfterFlush();
  }

  onStream(stream: ResponseStream): RequestSink {
    this.#stream = stream;
    this.#form = "";
    return this;
  }

  onProtocolError(stream: ResponseStream, status: number): void {
    this.#stream = stream;
    this.#send({ status, body: "" }, false);
  }

  onHead(head: RequestHead, end: boolean): void {
    this.#head = head;
    if (end) this.#serve(head);
  }

  onRequestData(chunk: Uint8Array, end: boolean): void {
    if (this.#form.length < formBytesMax) this.#form += Buffer.from(chunk).toString("utf8");
    if (end && this.#head !== undefined) this.#serve(this.#head);
  }

  onTrailers(): void {
    if (this.#head !== undefined) this.#serve(this.#head);
  }

  onReset(): void {
    this.#stream = undefined;
  }

  #serve(head: RequestHead): void {
    const [path = "/", query = ""] = head.path.split("?");
    // POST parameters may come as a form, as in Envoy.
    const parameters = new URLSearchParams(
      head.method === "POST" && this.#form.includes("=") ? `${query}&${this.#form}` : query,
    );
    void this.#answer({ method: head.method, path, query: parameters }).then((answer) =>
      dispatch(() => this.#send(answer, head.method === "HEAD")),
    );
  }

  #send(answer: AdminAnswer, bodiless: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || this.#connection.closed) return;
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
      httpDate(systemClock.wallMs()),
      "server",
      "envoy",
      "content-length",
      String(body.length),
    ]);
    const end = bodiless || body.length === 0;
    stream.sendHead(new ResponseHead(answer.status ?? 200, headers), end);
    if (!end) stream.sendData(body, true);
    if (this.#codec.closing) this.#connection.closeAfterFlush();
  }

  /** Bytes from the socket and a request's body share this name: the codec calls it with `end`. */
  onData(chunk: Uint8Array, end?: boolean): void {
    if (end === undefined) this.#codec.feed(chunk);
    else this.onRequestData(chunk, end);
  }

  onEnd(): void {
    this.#codec.onEnd();
    if (this.#stream === undefined) this.#connection.closeAfterFlush();
  }

  onUnwritable(): void {}

  onWritable(): void {
    this.#codec.onWritable();
  }

  onClose(): void {
    this.#stream = undefined;
    this.#gone();
  }
}
