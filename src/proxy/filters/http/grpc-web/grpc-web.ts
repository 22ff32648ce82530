import { encodeStatusMessage, grpcStatusOfHttp, isGrpcContentType } from "#grpc/status.ts";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { HttpFilter, HttpStream, Replacement, Verdict } from "../filter.ts";
import { Base64Decoder, Base64MessageEncoder } from "./base64.ts";

const binaryTypes: ReadonlySet<string> = new Set([
  "application/grpc-web",
  "application/grpc-web+proto",
]);
const textTypes: ReadonlySet<string> = new Set([
  "application/grpc-web-text",
  "application/grpc-web-text+proto",
]);
/** In the prefix of the last message of a body: what it has are the trailers. */
const trailersFlag = 0x80;
const prefixLength = 5;
/** Of an answer that is not gRPC, so much becomes grpc-message. */
const messageBytesMax = 16_384;

/**
 * gRPC for browsers, which cannot read trailers: they become the last message of the body. The text form is base64 besides
 * (grpc-web's PROTOCOL-WEB document).
 */
export class GrpcWeb implements HttpFilter {
  #isGrpcWeb = false;
  #requestText: Base64Decoder | undefined;
  #responseText: Base64MessageEncoder | undefined;
  /** The head of an answer that is not gRPC: its body becomes the status message. */
  #foreign: ResponseHead | undefined;
  #foreignBody: Uint8Array[] = [];
  #foreignSize = 0;

  onRequestHead({ info }: HttpStream, head: RequestHead): Verdict {
    const { headers } = head;
    const type = headers.get("content-type") ?? "";
    const isText = textTypes.has(type);
    if (!isText && !binaryTypes.has(type)) return "continue";
    this.#isGrpcWeb = true;
    info.becameGrpc = true;
    if (isText) this.#requestText = new Base64Decoder();
    if (textTypes.has(headers.get("accept") ?? "")) this.#responseText = new Base64MessageEncoder();
    // It is the length of the text, or of a body that HTTP/2 needs no length for.
    headers.remove("content-length");
    headers.set("content-type", "application/grpc");
    headers.set("te", "trailers");
    headers.set("grpc-accept-encoding", "identity");
    return "continue";
  }

  onRequestData(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    const decoder = this.#requestText;
    if (decoder === undefined) return "continue";
    const decoded = decoder.feed(chunk);
    if (decoded !== undefined && !(end && decoder.incomplete)) return decoded;
    stream.reply({
      status: 400,
      body: "Bad gRPC-web request, invalid base64 data.",
      details:
        decoded === undefined
          ? "grpc_base_64_decode_failed"
          : "grpc_base_64_decode_failed_bad_size",
      close: !end,
    });
    return "consume";
  }

  onResponseHead(_stream: HttpStream, head: ResponseHead, end: boolean): Verdict {
    if (!this.#isGrpcWeb) return "continue";
    const type = head.headers.get("content-type");
    const isCall = head.status === 200 && (isGrpcContentType(type) || isGrpcWebType(type));
    if (!isCall) {
      this.#foreign = head;
      if (!end) return "hold";
      this.#becomeStatus(head);
    }
    head.headers.set("content-type", this.#responseType);
    return "continue";
  }

  get #responseType(): string {
    return this.#responseText === undefined
      ? "application/grpc-web+proto"
      : "application/grpc-web-text+proto";
  }

  onResponseData(stream: HttpStream, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    if (this.#foreign !== undefined) return this.#onForeignData(this.#foreign, chunk, end);
    const encoder = this.#responseText;
    if (encoder === undefined) return "continue";
    const encoded = encoder.feed(chunk);
    if (encoder.pending > stream.bufferLimit) {
      stream.abort("response_payload_too_large", 0);
      return "consume";
    }
    return encoded;
  }

  #onForeignData(head: ResponseHead, chunk: Uint8Array, end: boolean): Verdict | Replacement {
    if (this.#foreignSize < messageBytesMax) {
      this.#foreignBody.push(new Uint8Array(chunk));
      this.#foreignSize += chunk.length;
    }
    if (!end) return "consume";
    this.#becomeStatus(head);
    return noBytes;
  }

  /** A head that says it all: the answer's code and text as a gRPC status. */
  #becomeStatus(head: ResponseHead): void {
    const body = Buffer.concat(this.#foreignBody).subarray(0, messageBytesMax);
    const { headers } = head;
    headers.set("content-type", this.#responseType);
    headers.set("grpc-status", String(grpcStatusOfHttp(head.status)));
    if (body.length > 0) headers.set("grpc-message", encodeStatusMessage(body.toString("latin1")));
    headers.set("content-length", "0");
  }

  onResponseTrailers(_stream: HttpStream, trailers: HeaderList): Verdict | Replacement {
    if (!this.#isGrpcWeb) return "continue";
    if (this.#foreign !== undefined) {
      this.#becomeStatus(this.#foreign);
      return "continue";
    }
    let text = "";
    for (const [name, value] of trailers) text += `${name}:${value}\r\n`;
    const message = Buffer.alloc(prefixLength + text.length);
    message[0] = trailersFlag;
    message.writeUInt32BE(text.length, 1);
    message.write(text, prefixLength, "latin1");
    return this.#responseText === undefined ? message : Buffer.from(message.toString("base64"));
  }
}

function isGrpcWebType(type: string | undefined): boolean {
  return type !== undefined && (binaryTypes.has(type) || textTypes.has(type));
}

const noBytes = new Uint8Array(0);
