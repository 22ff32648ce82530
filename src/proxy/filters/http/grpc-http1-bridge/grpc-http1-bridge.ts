import { frameMessage } from "#grpc/frame.ts";
import { isGrpcContentType } from "#grpc/status.ts";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { HttpFilter, HttpStream, Replacement, Verdict } from "../filter.ts";

export interface BridgeSettings {
  /** Requests of bare protobuf become gRPC messages, and answers bare protobuf. */
  readonly upgradesProtobuf: boolean;
  /** The query goes when a request is upgraded. */
  readonly dropsQuery: boolean;
}

const protobuf = "application/x-protobuf";
const prefixLength = 5;

/**
 * gRPC for HTTP/1.1 clients, which cannot read trailers: the answer is kept until they are there, and then the call's status becomes the
 * response's head. A status that is not OK is a 503.
 */
export class GrpcHttp1Bridge implements HttpFilter {
  readonly #settings: BridgeSettings;
  #bridges = false;
  #frames = false;
  #head: ResponseHead | undefined;
  #message: Uint8Array[] = [];
  #length = 0;
  /** Octets of the prefix of the response's message still to be dropped. */
  #prefixLeft = prefixLength;

  constructor(settings: BridgeSettings) {
    this.#settings = settings;
  }

  onRequestHead({ info }: HttpStream, head: RequestHead): Verdict {
    const { headers } = head;
    if (head.version === 20) return "continue";
    const type = headers.get("content-type");
    if (this.#settings.upgradesProtobuf && type === protobuf) {
      this.#bridges = true;
      this.#frames = true;
      info.becameGrpc = true;
      headers.set("content-type", "application/grpc");
      headers.remove("content-length");
      if (this.#settings.dropsQuery) head.path = head.path.replace(/\?.*$/s, "");
    } else this.#bridges = isGrpcContentType(type);
    return "continue";
  }

  onRequestData(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    if (!this.#frames) return "continue";
    // The prefix has the length: the message is needed whole.
    this.#keep(chunk);
    if (this.#length > stream.bufferLimit) {
      stream.reply({
        status: 413,
        body: "Payload Too Large",
        details: "request_payload_too_large",
      });
      return "consume";
    }
    return end ? frameMessage(this.#takeMessage()) : "consume";
  }

  #keep(chunk: Uint8Array): void {
    this.#message.push(new Uint8Array(chunk));
    this.#length += chunk.length;
  }

  #takeMessage(): Uint8Array {
    const message = Buffer.concat(this.#message);
    this.#message = [];
    this.#length = 0;
    return message;
  }

  onResponseHead(_stream: HttpStream, head: ResponseHead, end: boolean): Verdict {
    if (!this.#bridges) return "continue";
    if (end) return "continue";
    this.#head = head;
    return "hold";
  }

  onResponseData(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    if (this.#head === undefined) return "continue";
    if (!this.#frames) {
      this.#length += chunk.length;
      return end ? "continue" : "hold";
    }
    this.#keep(this.#withoutPrefix(chunk));
    if (end) return this.#takeMessage();
    if (this.#length > stream.bufferLimit) stream.abort("response_payload_too_large", 0);
    return "consume";
  }

  #withoutPrefix(chunk: Uint8Array): Uint8Array {
    const dropped = Math.min(this.#prefixLeft, chunk.length);
    this.#prefixLeft -= dropped;
    return chunk.subarray(dropped);
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict | Replacement {
    const head = this.#head;
    if (head === undefined) return "continue";
    const status = trailers.get("grpc-status");
    if (status !== "0") head.status = 503;
    if (status !== undefined) head.headers.set("grpc-status", status);
    const message = trailers.get("grpc-message");
    if (message !== undefined) head.headers.set("grpc-message", message);
    head.headers.set("content-length", String(this.#length));
    return this.#frames ? this.#takeMessage() : "continue";
  }
}
