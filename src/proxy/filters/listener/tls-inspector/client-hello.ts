/** What a TLS ClientHello (RFC 8446 §4.1.2) says before anything is encrypted. */
export interface ClientHello {
  /** legacy_version: 0x0303 is TLS 1.2 and, with an extension, 1.3. */
  readonly version: number;
  /** Lower case; "" when there is none. */
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
}

/** `more`: these bytes may become one. `no`: they are not TLS, or a broken hello. `too-large`: it does not end in time. */
export type HelloOutcome = ClientHello | "more" | "no" | "too-large";

/** Of records and hello together. */
export const helloBytesMax: number = 16 * 1024;

const handshakeRecord = 22;
const clientHello = 1;
const serverNameExtension = 0;
const alpnExtension = 16;

/** Reads bounds-checked; undefined past the end makes the hello malformed. */
class Cursor {
  readonly #bytes: Buffer;
  #at: number;
  readonly end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.end = Math.min(end, bytes.length);
  }

  get left(): number {
    return this.end - this.#at;
  }

  number(size: 1 | 2 | 3): number | undefined {
    if (this.left < size) return undefined;
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  /** A field behind its own length. */
  vector(lengthSize: 1 | 2): Cursor | undefined {
    const size = this.number(lengthSize);
    return size === undefined ? undefined : this.take(size);
  }

  take(size: number): Cursor | undefined {
    if (this.left < size) return undefined;
    const part = new Cursor(this.#bytes, this.#at, this.#at + size);
    this.#at += size;
    return part;
  }

  text(): string {
    return this.#bytes.toString("latin1", this.#at, this.end);
  }
}

/** Looks at the first bytes of a connection. The hello may be split over packets and over records. */
export function parseClientHello(bytes: Buffer, bytesMax: number = helloBytesMax): HelloOutcome {
  if (bytes.length > 0 && bytes[0] !== handshakeRecord) return "no";
  if (bytes.length > 1 && bytes[1] !== 3) return "no";
  const parts: Buffer[] = [];
  const ended = collectRecords(bytes, parts);
  const handshake = Buffer.concat(parts);
  if (handshake.length > 0 && handshake[0] !== clientHello) return "no";
  const size = handshake.length < 4 ? 0 : handshake.readUIntBE(1, 3);
  if (size + 4 > bytesMax) return "too-large";
  if (size > 0 && handshake.length >= 4 + size)
    return parseBody(new Cursor(handshake, 4, 4 + size)) ?? "no";
  if (ended) return "no";
  return bytes.length >= bytesMax ? "too-large" : "more";
}

/** The payloads of the handshake records so far. True: what follows them is no such record. */
function collectRecords(bytes: Buffer, parts: Buffer[]): boolean {
  let at = 0;
  while (bytes.length - at >= 5) {
    const size = bytes.readUInt16BE(at + 3);
    // RFC 8446 §5.1: a record has a limit.
    if (bytes[at] !== handshakeRecord || bytes[at + 1] !== 3 || size > 16_384) return true;
    parts.push(bytes.subarray(at + 5, at + 5 + size));
    at += 5 + size;
  }
  return false;
}

function parseBody(body: Cursor): ClientHello | undefined {
  const version = body.number(2);
  if (version === undefined || body.take(32) === undefined) return undefined;
  const session = body.vector(1);
  if (session === undefined || session.left > 32) return undefined;
  const suites = body.vector(2);
  if (suites === undefined || suites.left < 2 || suites.left % 2 !== 0) return undefined;
  const compressions = body.vector(1);
  if (compressions === undefined || compressions.left === 0) return undefined;
  // A hello without extensions is old, and valid.
  if (body.left === 0) return { version, serverName: "", applicationProtocols: [] };
  const extensions = body.vector(2);
  return extensions === undefined || body.left > 0
    ? undefined
    : parseExtensions(version, extensions);
}

function parseExtensions(version: number, extensions: Cursor): ClientHello | undefined {
  let serverName: string | undefined = "";
  let applicationProtocols: readonly string[] = [];
  const seen = new Set<number>();
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const value = extensions.vector(2);
    // RFC 8446 §4.2: each type at most once. Two names could be read differently behind us.
    if (type === undefined || value === undefined || seen.has(type)) return undefined;
    seen.add(type);
    if (type === serverNameExtension) serverName = parseServerName(value);
    else if (type === alpnExtension) applicationProtocols = parseProtocols(value);
    if (serverName === undefined) return undefined;
  }
  return { version, serverName, applicationProtocols };
}

/** RFC 6066 §3: one host name, of at most 255 bytes and without NUL; anything else is no hello. */
function parseServerName(value: Cursor): string | undefined {
  const list = value.vector(2);
  if (list === undefined || value.left > 0 || list.number(1) !== 0) return undefined;
  const name = list.vector(2);
  if (name === undefined || name.left === 0 || name.left > 255 || list.left > 0) return undefined;
  const text = name.text();
  return text.includes("\0") ? undefined : text.toLowerCase();
}

/** RFC 7301 §3.1. */
function parseProtocols(value: Cursor): readonly string[] {
  const list = value.vector(2);
  const protocols: string[] = [];
  while (list !== undefined && list.left > 0) {
    const protocol = list.vector(1)?.text();
    if (protocol === undefined || protocol === "") return [];
    protocols.push(protocol);
  }
  return protocols;
}
