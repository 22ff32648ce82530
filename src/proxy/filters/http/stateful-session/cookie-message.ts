/** A session as its cookie has it: base64 of the message `{ string address = 1; int64 expires = 2; }`. */
export interface CookieMessage {
  readonly address: string;
  /** Seconds; 0: never. */
  readonly expires: number;
}

export function encodeCookieMessage({ address, expires }: CookieMessage): string {
  const text = Buffer.from(address, "latin1");
  const bytes: number[] = [0x0a];
  putVarint(bytes, text.length);
  for (const byte of text) bytes.push(byte);
  if (expires > 0) {
    bytes.push(0x10);
    putVarint(bytes, expires);
  }
  return Buffer.from(bytes).toString("base64");
}

/** Undefined: the bytes are no message at all. */
export function decodeCookieMessage(bytes: Uint8Array): CookieMessage | undefined {
  let address = "";
  let expires = 0;
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = varint(reader);
    const value = tag === undefined || tag < 8 ? undefined : field(reader, tag & 7);
    if (value === undefined) return undefined;
    if (tag === 0x0a) address = Buffer.from(value as Uint8Array).toString("latin1");
    else if (tag === 0x10) expires = value as number;
  }
  return { address, expires };
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

/** A field's value by its wire type: a number for type 0, bytes for the others; undefined: it is cut short or unknown. */
function field(reader: Reader, wireType: number): number | Uint8Array | undefined {
  if (wireType === 0) return varint(reader);
  const lengths: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
  const length = wireType === 2 ? varint(reader) : lengths[wireType];
  if (length === undefined || reader.at + length > reader.bytes.length) return undefined;
  reader.at += length;
  return reader.bytes.subarray(reader.at - length, reader.at);
}

function varint(reader: Reader): number | undefined {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 128;
  }
  return undefined;
}

function putVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
}
