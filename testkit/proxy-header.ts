/** PROXY protocol version 2 headers, built by hand: right and wrong ones. */

export interface HeaderOptions {
  /** Version and command: 0x21 is PROXY, 0x20 is LOCAL. */
  readonly versionCommand?: number;
  /** Family and protocol: 0x11 is TCP over IPv4. */
  readonly family?: number;
  readonly addresses?: Buffer;
  readonly tlvs?: readonly Buffer[];
}

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** 1.2.3.4:4660 to 5.6.7.8:80. */
export const addresses4: Buffer = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0x12, 0x34, 0, 80]);
/** [2001:db8::1]:4660 to [2001:db8::2]:80. */
export const addresses6: Buffer = Buffer.from(
  "20010db800000000000000000000000120010db800000000000000000000000212340050",
  "hex",
);

export function proxyHeader2(options: HeaderOptions = {}): Buffer {
  const { addresses = addresses4, tlvs = [] } = options;
  const body = Buffer.concat([addresses, ...tlvs]);
  const fixed = Buffer.from([options.versionCommand ?? 0x21, options.family ?? 0x11, 0, 0]);
  fixed.writeUInt16BE(body.length, 2);
  return Buffer.concat([signature, fixed, body]);
}

export function tlv(type: number, value: string): Buffer {
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, Buffer.from(value, "latin1")]);
}
