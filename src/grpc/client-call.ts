import { gzipSync } from "node:zlib";
import { type DescMethod, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { HeaderList } from "#http/headers.ts";
import {
  RequestHead,
  type RequestStream,
  type ResetReason,
  type ResponseHead,
  type ResponseSink,
} from "#http/message.ts";
import { decodeMessage } from "./decode.ts";
import { frameMessage } from "./frame.ts";
import { acceptedEncodings, encodingOf, MessageReader } from "./messages.ts";
import {
  GrpcCode,
  GrpcError,
  type GrpcStatus,
  grpcStatusOfHttp,
  isGrpcContentType,
  readStatus,
} from "./status.ts";
import { formatGrpcTimeout } from "./timeout.ts";

/** What a caller wants to know. `onEnd` is called exactly once, last, whatever happens. */
export interface ClientCallEvents<M extends DescMethod> {
  /** The server's metadata; not called when the answer is trailers-only. */
  onMetadata?(metadata: HeaderList): void;
  onMessage(message: MessageShape<M["output"]>): void;
  /** What was sent has left; `send` returned false before. */
  onWritable?(): void;
  onEnd(status: GrpcStatus, trailers: HeaderList): void;
}

export interface CallOptions {
  readonly metadata?: HeaderList;
  /** Milliseconds from now; the call ends with DEADLINE_EXCEEDED then. */
  readonly timeoutMs?: number;
  /** Compress what is sent. */
  readonly gzip?: boolean;
  /** Wait while the server cannot be reached, instead of failing with UNAVAILABLE. */
  readonly waitForReady?: boolean;
}

/** What a call needs of its channel. */
export interface CallChannel {
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly userAgent: string;
  readonly messageBytesMax: number;
  after(milliseconds: number, callback: () => void): { cancel(): void };
  onCallDone(call: ClientCall<DescMethod>): void;
}

const emptyChunk = new Uint8Array(0);

/** Sends kept while no connection is there; a caller that sends more has not looked at what `send` returns. */
const queuedMax = 1000;

/** One call, as the one who makes it sees it. */
export class ClientCall<M extends DescMethod> implements ResponseSink {
  readonly method: M;
  readonly options: CallOptions;
  readonly #channel: CallChannel;
  readonly #events: ClientCallEvents<M>;
  readonly #reader: MessageReader;
  readonly #deadlineMs: number | undefined;
  #deadline: { cancel(): void } | undefined;
  #stream: RequestStream | undefined;
  /** Framed messages sent before there was a stream. */
  #queued: Uint8Array[] = [];
  #ended = false;
  #writable = true;
  #httpStatus = 200;
  #done = false;

  constructor(channel: CallChannel, method: M, events: ClientCallEvents<M>, options: CallOptions) {
    this.#channel = channel;
    this.method = method;
    this.#events = events;
    this.options = options;
    this.#reader = new MessageReader(channel.messageBytesMax, (bytes) => this.#onBytes(bytes));
    this.#deadlineMs = options.timeoutMs;
    if (options.timeoutMs !== undefined)
      this.#deadline = channel.after(options.timeoutMs, () =>
        this.#abort({ code: GrpcCode.deadlineExceeded, message: "deadline exceeded" }),
      );
  }

  get done(): boolean {
    return this.#done;
  }

  /** The channel has a stream for it. */
  begin(stream: RequestStream): void {
    this.#stream = stream;
    stream.sendHead(this.#head(), false);
    const queued = this.#queued;
    this.#queued = [];
    for (const framed of queued) stream.sendData(framed, false);
    if (this.#ended) stream.sendData(emptyChunk, true);
    else if (queued.length > 0 && this.#writable) this.#events.onWritable?.();
  }

  #head(): RequestHead {
    const { method, options } = this;
    const path = `/${method.parent.typeName}/${method.name}`;
    const headers = new HeaderList();
    headers.add("te", "trailers");
    headers.add("content-type", "application/grpc");
    headers.add("user-agent", this.#channel.userAgent);
    headers.add("grpc-accept-encoding", acceptedEncodings);
    if (options.gzip === true) headers.add("grpc-encoding", "gzip");
    if (this.#deadlineMs !== undefined)
      headers.add("grpc-timeout", formatGrpcTimeout(this.#deadlineMs));
    for (const [name, value] of options.metadata ?? []) headers.add(name, value);
    const head = new RequestHead("POST", path, this.#channel.authority, 20, headers);
    head.scheme = this.#channel.scheme;
    return head;
  }

  /** Returns false when the server does not keep up: send no more until `onWritable`. */
  send(message: MessageShape<M["input"]>): boolean {
    if (this.#done || this.#ended) return false;
    const bytes = toBinary<M["input"]>(this.method.input, message);
    const framed = frameMessage(bytes, this.options.gzip === true ? gzipSync : undefined);
    if (this.#stream !== undefined) {
      this.#stream.sendData(framed, false);
      return this.#writable;
    }
    if (this.#queued.length >= queuedMax) {
      this.#abort({
        code: GrpcCode.resourceExhausted,
        message: `more than ${queuedMax} messages wait for a connection`,
      });
      return false;
    }
    this.#queued.push(framed);
    return false;
  }

  /** No more messages from here. */
  end(): void {
    if (this.#done || this.#ended) return;
    this.#ended = true;
    this.#stream?.sendData(emptyChunk, true);
  }

  cancel(message = "cancelled"): void {
    this.#abort({ code: GrpcCode.cancelled, message });
  }

  /** Counted: messages stop coming, and with them the server's right to send. */
  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  #abort(status: GrpcStatus): void {
    if (this.#done) return;
    const stream = this.#stream;
    this.#finish(status, new HeaderList());
    stream?.reset("local");
  }

  /** No stream can be had. */
  fail(status: GrpcStatus): void {
    this.#finish(status, new HeaderList());
  }

  #finish(status: GrpcStatus, trailers: HeaderList): void {
    if (this.#done) return;
    this.#done = true;
    this.#deadline?.cancel();
    this.#queued = [];
    this.#channel.onCallDone(this as unknown as ClientCall<DescMethod>);
    this.#events.onEnd(status, trailers);
  }

  // === From the server ===

  onInformational(): void {}

  onHead(head: ResponseHead, end: boolean): void {
    if (this.#done) return;
    this.#httpStatus = head.status;
    const { headers } = head;
    if (end) {
      this.#onStatus(headers);
      return;
    }
    const encoding = encodingOf(headers.get("grpc-encoding"));
    if (head.status !== 200 || !isGrpcContentType(headers.get("content-type"))) {
      this.#abort({
        code: head.status === 200 ? GrpcCode.unknown : grpcStatusOfHttp(head.status),
        message: `the server answered HTTP ${head.status} with content-type ${headers.get("content-type") ?? "none"}`,
      });
      return;
    }
    if (encoding === undefined) {
      this.#abort({
        code: GrpcCode.internal,
        message: `the server chose grpc-encoding ${headers.get("grpc-encoding") ?? ""}`,
      });
      return;
    }
    this.#reader.encoding = encoding;
    this.#events.onMetadata?.(headers);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.#done) return;
    try {
      this.#reader.feed(chunk);
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      this.#abort(error);
      return;
    }
    if (end) this.#finish(this.#withoutStatus(), new HeaderList());
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#done) return;
    this.#events.onMessage(decodeMessage<M["output"]>(this.method.output, bytes));
  }

  onTrailers(trailers: HeaderList): void {
    this.#onStatus(trailers);
  }

  #onStatus(trailers: HeaderList): void {
    const status = readStatus(trailers) ?? this.#withoutStatus();
    this.#finish(
      status.code === GrpcCode.ok && this.#reader.incomplete
        ? { code: GrpcCode.internal, message: "the response ends in the middle of a message" }
        : status,
      trailers,
    );
  }

  #withoutStatus(): GrpcStatus {
    return this.#httpStatus === 200
      ? { code: GrpcCode.unknown, message: "the server sent no grpc-status" }
      : {
          code: grpcStatusOfHttp(this.#httpStatus),
          message: `the server answered HTTP ${this.#httpStatus}`,
        };
  }

  onReset(reason: ResetReason, detail: string): void {
    this.#finish({ code: codeOfReset(reason), message: `${reason}: ${detail}` }, new HeaderList());
  }

  onWritable(): void {
    this.#writable = true;
    if (!this.#done) this.#events.onWritable?.();
  }

  onUnwritable(): void {
    this.#writable = false;
  }
}

/** gRPC over HTTP/2, "Errors": what a stream that ended without trailers says. */
function codeOfReset(reason: ResetReason): number {
  if (reason === "protocol") return GrpcCode.internal;
  if (reason === "overflow") return GrpcCode.resourceExhausted;
  return reason === "remote-reset" ? GrpcCode.cancelled : GrpcCode.unavailable;
}
