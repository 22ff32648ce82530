/** ClientHello messages (RFC 8446 §4.1.2) built by hand: right, odd and wrong ones. */

export interface HelloOptions {
  /** legacy_version. */
  readonly version?: number;
  /** Undefined: no extensions block at all. */
  readonly extensions?: readonly Buffer[] | undefined;
  readonly sessionSize?: number;
  /** Handshake type; 1 is ClientHello. */
  readonly type?: number;
  /** Bytes behind the extensions. */
  readonly tail?: Buffer;
}

export interface RecordOptions {
  /** Content type; 22 is handshake. */
  readonly type?: number;
  readonly version?: number;
  /** Payload bytes of each record. */
  readonly fragment?: number;
}

/** The handshake message, without records. */
export function helloMessage(options: HelloOptions = {}): Buffer {
  const { extensions, tail = Buffer.alloc(0) } = options;
  const body = Buffer.concat([
    number16(options.version ?? 0x0303),
    Buffer.alloc(32, 1),
    vector8(Buffer.alloc(options.sessionSize ?? 0)),
    vector16(Buffer.from([0x13, 0x01, 0xc0, 0x2f])),
    vector8(Buffer.from([0])),
    extensions === undefined ? Buffer.alloc(0) : vector16(Buffer.concat(extensions)),
    tail,
  ]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  head[0] = options.type ?? 1;
  return Buffer.concat([head, body]);
}

/** The message in TLS records. */
export function records(message: Buffer, options: RecordOptions = {}): Buffer {
  const { type = 22, version = 0x0301, fragment = 16_384 } = options;
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += fragment) {
    const payload = message.subarray(at, at + fragment);
    parts.push(Buffer.from([type]), number16(version), vector16(payload));
  }
  return Buffer.concat(parts);
}

/** A whole hello as it comes on the wire. */
export function hello(...extensions: readonly Buffer[]): Buffer {
  return records(helloMessage({ extensions }));
}

export function extension(type: number, value: Buffer): Buffer {
  return Buffer.concat([number16(type), vector16(value)]);
}

export function serverName(...names: readonly string[]): Buffer {
  const entries = names.map((name) =>
    Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name, "latin1"))]),
  );
  return extension(0, vector16(Buffer.concat(entries)));
}

export function alpn(...protocols: readonly string[]): Buffer {
  return extension(
    16,
    vector16(Buffer.concat(protocols.map((protocol) => vector8(Buffer.from(protocol, "latin1"))))),
  );
}

export function number16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function vector8(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([value.length]), value]);
}

export function vector16(value: Buffer): Buffer {
  return Buffer.concat([number16(value.length), value]);
}
