import type { MakeConnection } from "#grpc/channel.ts";
import { Http1ClientCodec, type Http1ClientOptions } from "#http/h1/client.ts";
import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type ResetReason,
  type ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { PendingConnect } from "#net/connect.ts";
import type { Connection } from "#net/connection.ts";

/** A server of REST. */
export interface HttpServer {
  /** As messages name it: the cluster's name. */
  readonly name: string;
  readonly connect: MakeConnection;
  readonly authority: string;
}

export type HttpAnswer =
  | { readonly status: 200 | 304; readonly body: string }
  | { readonly reason: string };

const http1Options: Http1ClientOptions = {
  headBytesMax: 64 * 1024,
  fieldsMax: 100,
  lenient: undefined,
  enableTrailers: false,
  nameCase: "lower",
  allowChunkedLength: false,
};

/** All clusters of a large mesh, as JSON. */
const bodyBytesMax = 256 * 1024 * 1024;

/** One POST on a connection of its own. `done` is called once, unless it is cancelled. */
export function postJson(
  server: HttpServer,
  request: {
    readonly path: string;
    readonly body: string;
    readonly timeoutMs: number;
    readonly clock: Clock;
  },
  done: (answer: HttpAnswer) => void,
): { cancel(): void } {
  const exchange = new Exchange(server, request, done);
  const timer = request.clock.after(request.timeoutMs, () =>
    exchange.finish({ reason: `no answer within ${request.timeoutMs} ms` }),
  );
  exchange.onFinish = () => timer.cancel();
  return { cancel: () => exchange.cancel() };
}

/** The response of one request, from the making of its connection on. */
class Exchange implements ResponseSink {
  readonly #done: (answer: HttpAnswer) => void;
  readonly #pending: PendingConnect;
  readonly #chunks: Buffer[] = [];
  onFinish: () => void = () => {};
  #connection: Connection | undefined;
  #status = 0;
  #bytes = 0;
  #over = false;

  constructor(
    { connect, authority }: HttpServer,
    { path, body }: { readonly path: string; readonly body: string },
    done: (answer: HttpAnswer) => void,
  ) {
    this.#done = done;
    this.#pending = connect({
      onConnect: (connection) => {
        const bytes = Buffer.from(body);
        const headers = new HeaderList();
        headers.add("content-type", "application/json");
        headers.add("content-length", String(bytes.length));
        const stream = this.#adopt(connection).newStream(this);
        stream.sendHead(new RequestHead("POST", path, authority, 11, headers), false);
        stream.sendData(bytes, true);
      },
      onError: (detail) => this.finish({ reason: `cannot be reached: ${detail}` }),
    });
  }

  #adopt(connection: Connection): Http1ClientCodec {
    this.#connection = connection;
    const codec = new Http1ClientCodec(http1Options, connection, {
      onStreamDone: () => {},
      onProtocolError: (detail) => this.finish({ reason: detail }),
      onGoAway: () => {},
      onConcurrency: () => {},
    });
    connection.handler = {
      onData: (chunk) => codec.feed(chunk),
      onEnd: () => codec.onEnd(),
      onWritable: () => codec.onWritable(),
      onUnwritable: () => codec.onUnwritable(),
      onClose: () => {
        codec.onEnd();
        this.finish({ reason: "the connection was closed" });
      },
    };
    return codec;
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.onFinish();
    this.#pending.cancel();
    this.#connection?.destroy();
  }

  finish(answer: HttpAnswer): void {
    if (this.#over) return;
    this.cancel();
    this.#done(answer);
  }

  onInformational(): void {}

  onHead({ status }: ResponseHead, end: boolean): void {
    this.#status = status;
    if (end) this.#complete();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.#bytes += chunk.length;
    if (this.#bytes > bodyBytesMax) {
      this.finish({ reason: `the answer has more than ${bodyBytesMax} bytes` });
      return;
    }
    this.#chunks.push(Buffer.from(chunk));
    if (end) this.#complete();
  }

  onTrailers(): void {
    this.#complete();
  }

  #complete(): void {
    const status = this.#status;
    if (status === 200) this.finish({ status, body: Buffer.concat(this.#chunks).toString("utf8") });
    else if (status === 304) this.finish({ status, body: "" });
    else this.finish({ reason: `HTTP status ${status}` });
  }

  onReset(_reason: ResetReason, detail: string): void {
    this.finish({ reason: detail === "" ? "the connection was closed" : detail });
  }

  onWritable(): void {}

  onUnwritable(): void {}
}
