import { internName } from "../headers.ts";
import { DynamicTable, entryOverhead } from "./hpack-dynamic-table.ts";
import { findStaticName, staticCount, staticNames, staticValues } from "./hpack-static.ts";
import { HuffmanDecoder } from "./huffman.ts";
import { octetString } from "./octets.ts";

/** Takes the fields of a block in their order. */
export interface HpackFieldSink {
  /**
   * `name` is the interned object when it is a token in lower case, else what was sent: the codec judges it. `size`: octets of name
   * and value and 32 more (RFC 9113 §6.5.2). `neverIndexed`: the sender wants it a literal on every hop (RFC 7541 §7.1.3).
   */
  onField(name: string, value: string, size: number, neverIndexed: boolean): void;
}

/** SETTINGS_HEADER_TABLE_SIZE until a SETTINGS frame says otherwise (RFC 9113 §6.5.2). */
export const defaultTableSize = 4096;

const cutShort = "hpack: the block ends within a field";
const integerTooLarge = "hpack: integer too large";
const badHuffman = "hpack: bad Huffman code";
const badIndex = "hpack: no such index";
const lateSizeUpdate = "hpack: table size update after a field";
const sizeOverLimit = "hpack: table size over the limit";
const sizeUpdateMissing = "hpack: table size update missing";

/** Decodes the header blocks of one connection. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #huffman: HuffmanDecoder = HuffmanDecoder.shared();
  readonly #tableSizeMax: number;
  /** What the peer may set its table to. */
  #sizeLimit: number;
  #bytes: Uint8Array;
  #at = 0;
  #end = 0;
  /** Of the block at hand; the first one stands. */
  #problem: string | undefined = undefined;

  /** `tableSizeMax`: our SETTINGS_HEADER_TABLE_SIZE. */
  constructor(options: { readonly tableSizeMax: number }) {
    this.#tableSizeMax = options.tableSizeMax;
    // RFC 7541 §4.2 and RFC 9113 §6.5.3: a peer that has not yet acknowledged a smaller size keeps to the default.
    this.#sizeLimit = Math.max(options.tableSizeMax, defaultTableSize);
    this.#table = new DynamicTable(defaultTableSize);
    this.#bytes = none;
  }

  /** The peer acknowledged our SETTINGS: if its table is now too large, its next block must begin with a smaller size. */
  onSettingsAcknowledged(): void {
    this.#sizeLimit = this.#tableSizeMax;
  }

  /**
   * Decodes the whole block bytes[start, end) into the sink. Returns undefined or the problem, which is a COMPRESSION_ERROR for the
   * connection. The dynamic table is kept whatever the sink makes of the fields: limits are its own affair.
   */
  decode(bytes: Uint8Array, start: number, end: number, sink: HpackFieldSink): string | undefined {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#problem = undefined;
    this.#sizeUpdates();
    while (this.#at < this.#end && this.#problem === undefined) this.#field(sink);
    this.#bytes = none;
    return this.#problem;
  }

  /** RFC 7541 §4.2: only at the beginning of a block, and there may be more than one. */
  #sizeUpdates(): void {
    while (this.#at < this.#end && (this.#peek() & 0xe0) === 0x20) {
      const size = this.#integer(0x1f);
      if (size > this.#sizeLimit) this.#fail(sizeOverLimit);
      if (this.#problem !== undefined) return;
      this.#table.setSizeMax(size);
    }
    if (this.#table.sizeMax > this.#sizeLimit) this.#fail(sizeUpdateMissing);
  }

  #field(sink: HpackFieldSink): void {
    const first = this.#peek();
    if (first >= 0x80) this.#indexed(sink);
    else if (first >= 0x40) this.#literal(sink, 0x3f, first);
    else if (first >= 0x20) this.#fail(lateSizeUpdate);
    else this.#literal(sink, 0x0f, first);
  }

  /** RFC 7541 §6.1. */
  #indexed(sink: HpackFieldSink): void {
    const index = this.#integer(0x7f);
    const slot = this.#table.slot(index - staticCount - 1);
    let name: string;
    let value: string;
    if (slot >= 0) {
      name = this.#table.name(slot);
      value = this.#table.value(slot);
    } else if (index > 0 && index <= staticCount) {
      // In range.
      name = staticNames[index] as string;
      value = staticValues[index] as string;
    } else {
      this.#fail(badIndex);
      return;
    }
    sink.onField(name, value, name.length + value.length + entryOverhead, false);
  }

  /** RFC 7541 §6.2: with incremental indexing (01), without (0000) or never indexed (0001). */
  #literal(sink: HpackFieldSink, mask: number, first: number): void {
    const index = this.#integer(mask);
    const name = index === 0 ? this.#literalName() : this.#indexedName(index);
    const value = this.#string();
    if (this.#problem !== undefined) return;
    if (first >= 0x40) this.#table.add(name, value);
    sink.onField(name, value, name.length + value.length + entryOverhead, (first & 0xf0) === 0x10);
  }

  #indexedName(index: number): string {
    // In range.
    if (index > 0 && index <= staticCount) return staticNames[index] as string;
    const slot = this.#table.slot(index - staticCount - 1);
    if (slot >= 0) return this.#table.name(slot);
    this.#fail(badIndex);
    return "";
  }

  #literalName(): string {
    const raw = this.#string();
    const known = findStaticName(raw);
    if (known !== undefined) return staticNames[known.index] ?? raw;
    // `internName` makes lower case of upper, which is malformed here (RFC 9113 §8.2.1) and not to be hidden.
    return hasUpperCase(raw) ? raw : (internName(raw) ?? raw);
  }

  /** RFC 7541 §5.2. "" when it is bad. */
  #string(): string {
    if (this.#at >= this.#end) return this.#failed(cutShort);
    const isHuffman = this.#peek() >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (this.#problem !== undefined) return "";
    if (length > this.#end - start) return this.#failed(cutShort);
    this.#at = start + length;
    if (!isHuffman) return octetString(this.#bytes, start, start + length);
    return this.#huffman.decode(this.#bytes, start, start + length) ?? this.#failed(badHuffman);
  }

  /** RFC 7541 §5.1, its prefix being the bits of `mask`. -1 when it is bad. */
  #integer(mask: number): number {
    const prefix = this.#peek() & mask;
    this.#at++;
    return prefix < mask ? prefix : this.#longInteger(mask);
  }

  #longInteger(prefix: number): number {
    let value = prefix;
    // RFC 7541 §5.1 asks for a limit: four octets after the prefix hold 28 bits, more than any length or index here can be.
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) return this.#badInteger(cutShort);
      const octet = this.#peek();
      this.#at++;
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    return this.#badInteger(integerTooLarge);
  }

  #badInteger(problem: string): number {
    this.#fail(problem);
    return -1;
  }

  #peek(): number {
    // In range: callers have compared #at with #end, which is within #bytes.
    return this.#bytes[this.#at] as number;
  }

  #failed(problem: string): string {
    this.#fail(problem);
    return "";
  }

  #fail(problem: string): void {
    this.#problem ??= problem;
  }
}

const none = new Uint8Array(0);

function hasUpperCase(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) return true;
  }
  return false;
}
