const prefixLength = 5;
const base64Text = /^[A-Za-z0-9+/]*={0,2}$/;

/** Decodes base64 that comes in chunks; its pieces may be padded each for itself. Undefined: it is not base64. */
export class Base64Decoder {
  #left = "";

  feed(chunk: Uint8Array): Uint8Array | undefined {
    const text = this.#left + Buffer.from(chunk).toString("latin1");
    const whole = text.length - (text.length % 4);
    this.#left = text.slice(whole);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < whole; ) {
      // Padding ends a piece.
      const padding = text.indexOf("=", at);
      const end = padding === -1 || padding >= whole ? whole : padding + 4 - (padding % 4);
      const piece = text.slice(at, end);
      if (!base64Text.test(piece)) return undefined;
      parts.push(Buffer.from(piece, "base64"));
      at = end;
    }
    return Buffer.concat(parts);
  }

  /** Characters are left that make no byte. */
  get incomplete(): boolean {
    return this.#left !== "";
  }
}

/** Encodes gRPC messages one by one, each padded: a client can decode what has come without waiting for more. */
export class Base64MessageEncoder {
  #bytes: Buffer = Buffer.alloc(0);

  /** What of a message has come and has not been encoded. */
  get pending(): number {
    return this.#bytes.length;
  }

  feed(chunk: Uint8Array): Uint8Array {
    let bytes = Buffer.concat([this.#bytes, chunk]);
    let text = "";
    while (bytes.length >= prefixLength) {
      const length = prefixLength + bytes.readUInt32BE(1);
      if (bytes.length < length) break;
      text += bytes.toString("base64", 0, length);
      bytes = bytes.subarray(length);
    }
    this.#bytes = bytes;
    return Buffer.from(text, "latin1");
  }
}
