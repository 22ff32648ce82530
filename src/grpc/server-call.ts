import { gzipSync } from "node:zlib";
import { type DescMethod, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { HeaderList } from "#http/headers.ts";
import {
  type RequestHead,
  type RequestSink,
  type ResetReason,
  ResponseHead,
  type ResponseStream,
} from "#http/message.ts";
import type { Clock } from "#lib/clock.ts";
import type { Connection } from "#net/connection.ts";
import { decodeMessage } from "./decode.ts";
import { frameMessage, framePieces } from "./frame.ts";
import { acceptedEncodings, encodingOf, type MessageEncoding, MessageReader } from "./messages.ts";
import {
  addStatus,
  GrpcCode,
  GrpcError,
  type GrpcStatus,
  isGrpcContentType,
  okStatus,
} from "./status.ts";
import { parseGrpcTimeout } from "./timeout.ts";

/** What a method wants to know of its call while it runs. Each is called at most once, but `onMessage` and `onWritable`. */
export interface ServerCallEvents<M extends DescMethod> {
  onMessage(message: MessageShape<M["input"]>): void;
  /** The client has sent its last message. */
  onHalfClose(): void;
  /** The call is over without our status: the client cancelled, the deadline passed, the connection broke. */
  onCancel(status: GrpcStatus): void;
  /** What was sent has left; `send` returned false before. */
  onWritable?(): void;
}

export type MethodHandler<M extends DescMethod> = (call: ServerCall<M>) => ServerCallEvents<M>;

export interface ServerCallOptions {
  readonly clock: Clock;
  /** Largest message accepted, after decompression; bytes. */
  readonly messageBytesMax: number;
}

interface Registered<M extends DescMethod> {
  readonly method: M;
  readonly handler: MethodHandler<M>;
}

export type FindMethod = (path: string) => Registered<DescMethod> | undefined;

/** One call, as the method that answers it sees it; between an HTTP/2 stream and messages. */
export class ServerCall<M extends DescMethod = DescMethod> implements RequestSink {
  readonly connection: Connection;
  readonly #options: ServerCallOptions;
  readonly #stream: ResponseStream;
  readonly #find: FindMethod;
  readonly #onDone: () => void;
  readonly #reader: MessageReader;
  #method: M | undefined;
  #events: ServerCallEvents<M> | undefined;
  #head: RequestHead | undefined;
  #deadline: { cancel(): void } | undefined;
  #sendEncoding: MessageEncoding = "identity";
  #headSent = false;
  #writable = true;
  #halfClosed = false;
  #done = false;

  constructor(
    connection: Connection,
    stream: ResponseStream,
    options: ServerCallOptions,
    find: FindMethod,
    onDone: () => void,
  ) {
    this.connection = connection;
    this.#stream = stream;
    this.#options = options;
    this.#find = find;
    this.#onDone = onDone;
    this.#reader = new MessageReader(options.messageBytesMax, (bytes) => this.#onBytes(bytes));
  }

  /** The client's metadata, with the protocol's own fields among it. */
  get metadata(): HeaderList {
    return this.#head?.headers ?? new HeaderList();
  }

  get path(): string {
    return this.#head?.path ?? "";
  }

  get done(): boolean {
    return this.#done;
  }

  // === From the client ===

  onHead(head: RequestHead, end: boolean): void {
    this.#head = head;
    if (!this.#isCall(head)) return;
    const registered = this.#find(head.path) as Registered<M> | undefined;
    if (registered === undefined) {
      this.finish({ code: GrpcCode.unimplemented, message: `unknown method ${head.path}` });
      return;
    }
    if (!this.#readHead(head)) return;
    this.#method = registered.method;
    this.#guard(() => {
      this.#events = registered.handler(this);
      if (end) this.#halfClose();
    });
  }

  /** gRPC over HTTP/2: other methods and types are answered in HTTP, their senders may not read grpc-status. */
  #isCall(head: RequestHead): boolean {
    const status = !isGrpcContentType(head.headers.get("content-type"))
      ? 415
      : head.method === "POST"
        ? 200
        : 405;
    if (status === 200) return true;
    this.#end();
    this.#stream.sendHead(new ResponseHead(status), true);
    return false;
  }

  #readHead(head: RequestHead): boolean {
    const { headers } = head;
    const encoding = encodingOf(headers.get("grpc-encoding"));
    if (encoding === undefined) {
      this.finish({
        code: GrpcCode.unimplemented,
        message: `grpc-encoding ${headers.get("grpc-encoding") ?? ""} is not supported`,
      });
      return false;
    }
    this.#reader.encoding = encoding;
    // Answer in kind: a client that compresses profits from it both ways.
    if (encoding === "gzip" && headers.get("grpc-accept-encoding")?.includes("gzip") === true)
      this.#sendEncoding = "gzip";
    const timeoutMs = parseGrpcTimeout(headers.get("grpc-timeout"));
    if (timeoutMs !== undefined)
      this.#deadline = this.#options.clock.after(timeoutMs, () => this.#onDeadline());
    return true;
  }

  #onDeadline(): void {
    const status = { code: GrpcCode.deadlineExceeded, message: "deadline exceeded" };
    const events = this.#events;
    this.finish(status);
    events?.onCancel(status);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#done) return;
    this.#guard(() => {
      this.#reader.feed(chunk);
      if (end) this.#halfClose();
    });
  }

  onTrailers(): void {
    if (!this.#done) this.#guard(() => this.#halfClose());
  }

  #halfClose(): void {
    if (this.#done || this.#halfClosed) return;
    this.#halfClosed = true;
    if (this.#reader.incomplete)
      throw new GrpcError(GrpcCode.internal, "the request ends in the middle of a message");
    this.#events?.onHalfClose();
  }

  #onBytes(bytes: Uint8Array): void {
    const method = this.#method;
    if (this.#done || method === undefined) return;
    this.#events?.onMessage(decodeMessage<M["input"]>(method.input, bytes));
  }

  /** What a method throws ends its call, and nothing else. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const events = this.#events;
      this.fail(error);
      events?.onCancel({ code: GrpcCode.internal, message: "the call has failed" });
    }
  }

  onReset(reason: ResetReason, detail: string): void {
    if (this.#done) return;
    const events = this.#events;
    this.#end();
    events?.onCancel({ code: GrpcCode.cancelled, message: `${reason}: ${detail}` });
  }

  onUnwritable(): void {
    this.#writable = false;
  }

  onWritable(): void {
    this.#writable = true;
    if (!this.#done) this.#guard(() => this.#events?.onWritable?.());
  }

  // === To the client ===

  /** Returns false when the client does not keep up: send no more until `onWritable`. */
  send(message: MessageShape<M["output"]>): boolean {
    const method = this.#method;
    if (this.#done || method === undefined) return false;
    this.sendMetadata(undefined);
    const bytes = toBinary<M["output"]>(method.output, message);
    this.#stream.sendData(
      frameMessage(bytes, this.#sendEncoding === "gzip" ? gzipSync : undefined),
      false,
    );
    return this.#writable;
  }

  /** As `send`, of a message that is encoded already: its pieces may be shared with other calls. */
  sendEncoded(pieces: readonly Uint8Array[]): boolean {
    if (this.#done || this.#method === undefined) return false;
    this.sendMetadata(undefined);
    const gzip = this.#sendEncoding === "gzip" ? gzipSync : undefined;
    for (const chunk of framePieces(pieces, gzip)) this.#stream.sendData(chunk, false);
    return this.#writable;
  }

  /** The head of the answer; `send` does it when nobody did. */
  sendMetadata(metadata: HeaderList | undefined): void {
    if (this.#headSent || this.#done) return;
    this.#headSent = true;
    this.#stream.sendHead(this.#answerHead(metadata), false);
  }

  #answerHead(metadata: HeaderList | undefined): ResponseHead {
    const head = new ResponseHead(200, metadata?.copy() ?? new HeaderList());
    head.headers.set("content-type", "application/grpc");
    if (this.#sendEncoding === "gzip") head.headers.set("grpc-encoding", "gzip");
    head.headers.set("grpc-accept-encoding", acceptedEncodings);
    return head;
  }

  /** The call's end. Nothing may be sent after it. */
  finish(status: GrpcStatus = okStatus, trailers: HeaderList = new HeaderList()): void {
    if (this.#done) return;
    this.#end();
    addStatus(trailers, status);
    if (this.#headSent) this.#stream.sendTrailers(trailers);
    else {
      // Trailers-only: one block says everything.
      const head = this.#answerHead(trailers);
      this.#stream.sendHead(head, true);
    }
  }

  /** `finish` with what a method has thrown. */
  fail(error: unknown): void {
    if (error instanceof GrpcError) this.finish(error, error.trailers?.copy());
    else
      this.finish({
        code: GrpcCode.unknown,
        message: error instanceof Error ? error.message : String(error),
      });
  }

  /** Counted: messages stop coming, and with them the client's right to send. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  #end(): void {
    this.#done = true;
    this.#deadline?.cancel();
    this.#onDone();
  }
}
