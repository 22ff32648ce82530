/** What a TLS ClientHello (RFC 8446 §4.1.2) says before anything is encrypted. */
export interface ClientHello {
  /** Lower case; "" when there is none. */
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
}

/** `more`: these bytes may become one. `no`: they are not TLS. */
export type HelloOutcome = ClientHello | "more" | "no" | "too-large";

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
export function parseClientHello(bytes: Buffer): HelloOutcome {
  if (bytes.length > 0 && bytes[0] !== handshakeRecord) return "no";
  if (bytes.length > 1 && bytes[1] !== 3) return "no";
  const handshake = joinRecords(bytes);
  if (typeof handshake === "string") return handshake;
  if (handshake.length < 4) return overLimit(bytes);
  if (handshake[0] !== clientHello) return "no";
  const size = handshake.readUIntBE(1, 3);
  if (size > helloBytesMax) return "too-large";
  if (handshake.length < 4 + size) return overLimit(bytes);
  return parseBody(new Cursor(handshake, 4, 4 + size)) ?? "no";
}

function overLimit(bytes: Buffer): HelloOutcome {
  return bytes.length >= helloBytesMax ? "too-large" : "more";
}

/** The payloads of the handshake records so far. */
function joinRecords(bytes: Buffer): Buffer | "no" {
  const parts: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 5) {
    if (bytes[at] !== handshakeRecord || bytes[at + 1] !== 3)
      return at === 0 ? "no" : Buffer.concat(parts);
    const size = bytes.readUInt16BE(at + 3);
    // RFC 8446 §5.1: zero-length fragments of handshake are forbidden, and a record has a limit.
    if (size === 0 || size > 16_384 + 256) return "no";
    parts.push(bytes.subarray(at + 5, at + 5 + size));
    at += 5 + size;
  }
  return Buffer.concat(parts);
}

function parseBody(body: Cursor): ClientHello | undefined {
  const version = body.number(2);
  if (version === undefined || version >> 8 !== 3 || body.take(32) === undefined) return undefined;
  if (body.vector(1) === undefined || body.vector(2) === undefined || body.vector(1) === undefined)
    return undefined;
  // A hello without extensions is old, and valid.
  if (body.left === 0) return { serverName: "", applicationProtocols: [] };
  const extensions = body.vector(2);
  return extensions === undefined ? undefined : parseExtensions(extensions);
}

function parseExtensions(extensions: Cursor): ClientHello | undefined {
  let serverName = "";
  let applicationProtocols: readonly string[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const value = extensions.vector(2);
    if (type === undefined || value === undefined) return undefined;
    if (type === serverNameExtension) serverName = parseServerName(value);
    else if (type === alpnExtension) applicationProtocols = parseProtocols(value);
  }
  return { serverName, applicationProtocols };
}

/** RFC 6066 §3. A name with a NUL is no name. */
function parseServerName(value: Cursor): string {
  const list = value.vector(2);
  if (list === undefined || list.number(1) !== 0) return "";
  const name = list.vector(2)?.text().toLowerCase() ?? "";
  return name.includes("\0") ? "" : name;
}

/** RFC 7301 §3.1. */
function parseProtocols(value: Cursor): readonly string[] {
  const list = value.vector(2);
  const protocols: string[] = [];
  while (list !== undefined && list.left > 0) {
    const protocol = list.vector(1)?.text();
    if (protocol === undefined) return [];
    protocols.push(protocol);
  }
  return protocols;
}
