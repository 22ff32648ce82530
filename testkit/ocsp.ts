/** OCSP responses (RFC 6960 §4.2) for tests. Nobody who staples one looks at its signature, so it has none that holds. */

export interface OcspOptions {
  /** Of the certificate, in hexadecimal. */
  readonly serials: readonly string[];
  readonly thisUpdate?: Date;
  /** null: none. */
  readonly nextUpdate?: Date | null;
  /** RFC 6960 §4.2.1 OCSPResponseStatus; 0: successful. */
  readonly status?: number;
}

const hourMs = 3_600_000;

function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, ...parts);
const octets = (bytes: Uint8Array): Buffer => tlv(0x04, bytes);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, "hex"));
const sha1 = sequence(oid("2b0e03021a"), tlv(0x05));
const ecdsaSha256 = sequence(oid("2a8648ce3d040302"));

function time(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  return tlv(0x18, Buffer.from(text));
}

function single(serial: string, { thisUpdate, nextUpdate }: OcspOptions): Buffer {
  const digest = Buffer.alloc(20, 1);
  const number = tlv(
    0x02,
    Buffer.from(serial.padStart(serial.length + (serial.length % 2), "0"), "hex"),
  );
  const until = nextUpdate === undefined ? new Date(Date.now() + hourMs) : nextUpdate;
  return sequence(
    sequence(sha1, octets(digest), octets(digest), number),
    tlv(0x80),
    time(thisUpdate ?? new Date(Date.now() - hourMs)),
    ...(until === null ? [] : [tlv(0xa0, time(until))]),
  );
}

/** DER. */
export function ocspResponse(options: OcspOptions): Buffer {
  const { serials, status = 0 } = options;
  if (status !== 0) return sequence(tlv(0x0a, Buffer.from([status])));
  const data = sequence(
    tlv(0xa2, octets(Buffer.alloc(20, 2))),
    time(new Date()),
    sequence(...serials.map((serial) => single(serial, options))),
  );
  const basic = sequence(data, ecdsaSha256, tlv(0x03, Buffer.from([0, 1, 2, 3])));
  return sequence(
    tlv(0x0a, Buffer.from([0])),
    tlv(0xa0, sequence(oid("2b0601050507300101"), octets(basic))),
  );
}
