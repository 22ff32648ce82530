import { defaultTableSize } from "./hpack-decoder.ts";
import { entryOverhead } from "./hpack-dynamic-table.ts";
import { findStaticName, type StaticName, staticCount } from "./hpack-static.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { writeOctets } from "./octets.ts";

export interface HpackEncoderOptions {
  /** The dynamic table we want, if the peer allows it. */
  readonly tableSizeMax: number;
  /**
   * Huffman code, where it is shorter: for every string, for none, or (the default) for those that enter the dynamic table. What is
   * sent once and then by index is worth it; for what changes with each request it costs both sides more time than the octets do.
   */
  readonly huffman?: "always" | "never" | "indexed" | undefined;
}

/** Octets that `begin` may write: two size updates. */
export const beginBytesMax = 12;
/** Of one field beyond its name and value: the tag octet and three integers. */
const fieldOverheadMax = 18;

const withoutIndexing = 0x00;
const neverIndexing = 0x10;
const incrementalIndexing = 0x40;

/** Values below this length are never indexed: they could be guessed by their effect on the table (RFC 7541 §7.1.3). */
const sensitiveBelow: ReadonlyMap<string, number> = new Map([
  ["authorization", Number.POSITIVE_INFINITY],
  ["proxy-authorization", Number.POSITIVE_INFINITY],
  // nghttp2's figure: longer cookies have too many possible values.
  ["cookie", 20],
]);

/**
 * How often a name's new values may enter the table without one of them being used. About what fills a table of 4096 octets, so
 * that as many values as the table can hold get the time to become known.
 */
const creditMax = 48;
/** Out of credit, each 64th field is tried again, and a use then gives this much. */
const probeMask = 63;
const probeCredit = 16;
/** Names kept for their credit alone. */
const namesMax = 128;
/** Longer names are neither kept nor indexed: strangers choose them, and there are none such in earnest. */
const nameLengthMax = 128;
/** Powers of two. A connection that has sent nothing has neither. */
const recentMax = 32;
const ringAtFirst = 16;

/** An entry of the dynamic table. */
interface Entry {
  readonly name: NameState;
  readonly value: string;
  /** Entries added before it, ever: its index follows from this. */
  readonly number: number;
  readonly size: number;
}

/** What the encoder knows of one name. */
class NameState {
  readonly text: string;
  readonly fixed: StaticName | undefined;
  readonly sensitiveBelow: number;
  newest: Entry | undefined = undefined;
  /** All entries, from the second on: most names have one value. */
  byValue: Map<string, Entry> | undefined = undefined;
  /** Falls with each value added, rises with each use. */
  credit: number = creditMax;
  probes = 0;

  constructor(text: string) {
    this.text = text;
    this.fixed = findStaticName(text);
    this.sensitiveBelow = sensitiveBelow.get(text) ?? 0;
  }
}

/**
 * Encodes the header blocks of one connection. What enters the dynamic table is learnt, name by name: a value that comes again is
 * sent by index, and a name whose values never do (x-request-id) stops pushing others out of the table.
 */
export class HpackEncoder {
  readonly #tableSizeMax: number;
  readonly #huffman: "always" | "never" | "indexed";
  readonly #names: Map<string, NameState> = new Map();
  /** Names of the last block by their place in it: the next is mostly alike, and this spares a look into the map. */
  #recent: (NameState | undefined)[] = [];
  #place = 0;
  /** Entry number n is at n modulo the length, a power of two. */
  #ring: (Entry | undefined)[] = [];
  #added = 0;
  #count = 0;
  #size = 0;
  #sizeMax: number = defaultTableSize;
  #sizeWanted: number = defaultTableSize;
  /** The smallest since the last block. */
  #sizeWantedMin: number = defaultTableSize;

  constructor(options: HpackEncoderOptions) {
    this.#tableSizeMax = options.tableSizeMax;
    this.#huffman = options.huffman ?? "indexed";
    this.setPeerTableSize(defaultTableSize);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableSize(size: number): void {
    this.#sizeWanted = Math.min(size, this.#tableSizeMax);
    this.#sizeWantedMin = Math.min(this.#sizeWanted, this.#sizeWantedMin);
  }

  /** Begins a block, for which `target` has `beginBytesMax` octets. Returns the offset after what it wrote. */
  begin(target: Uint8Array, start: number): number {
    this.#place = 0;
    if (this.#sizeWanted === this.#sizeMax && this.#sizeWantedMin === this.#sizeMax) return start;
    let at = start;
    // RFC 7541 §4.2: the peer evicted for the smallest size there was in between, so that one is said too.
    if (this.#sizeWantedMin < this.#sizeWanted) at = this.#setSize(target, at, this.#sizeWantedMin);
    at = this.#setSize(target, at, this.#sizeWanted);
    this.#sizeWantedMin = this.#sizeWanted;
    return at;
  }

  #setSize(target: Uint8Array, at: number, size: number): number {
    this.#sizeMax = size;
    this.#evict(size);
    return writeInteger(target, at, 0x20, 0x1f, size);
  }

  /** No more than this is written for the field. */
  fieldBytesMax(name: string, value: string): number {
    return name.length + value.length + fieldOverheadMax;
  }

  /** Writes one field, for which `target` has `fieldBytesMax` octets. Returns the offset after it. */
  field(target: Uint8Array, at: number, text: string, value: string, neverIndexed = false): number {
    const name = this.#name(text);
    if (neverIndexed || value.length < name.sensitiveBelow)
      return this.#literal(target, at, neverIndexing, name, value);
    const fixed = name.fixed;
    if (fixed !== undefined) {
      const values = fixed.values;
      for (let i = 0; i < values.length; i++)
        if (values[i] === value) return writeInteger(target, at, 0x80, 0x7f, fixed.index + i);
    }
    return this.#dynamic(target, at, name, value);
  }

  #dynamic(target: Uint8Array, at: number, name: NameState, value: string): number {
    const newest = name.newest;
    if (newest !== undefined && newest.value === value) {
      if (name.credit < creditMax) name.credit++;
      return writeInteger(target, at, 0x80, 0x7f, this.#index(newest));
    }
    const broke = name.credit <= 0;
    // A name that cannot be sent by index is worth an entry even so.
    const named = newest !== undefined || name.fixed !== undefined;
    if (broke && named && (++name.probes & probeMask) !== 0)
      return this.#literal(target, at, withoutIndexing, name, value);
    const entry = name.byValue?.get(value);
    if (entry !== undefined) {
      name.credit = Math.min(creditMax, name.credit + (broke ? probeCredit : 1));
      return writeInteger(target, at, 0x80, 0x7f, this.#index(entry));
    }
    const size = name.text.length + value.length + entryOverhead;
    // nghttp2's figure: one large entry is not worth all the others.
    if (size * 4 > this.#sizeMax * 3 || name.text.length > nameLengthMax)
      return this.#literal(target, at, withoutIndexing, name, value);
    if (!broke) name.credit--;
    // The octets first: the index of the name is that of the table before the entry.
    const next = this.#literal(target, at, incrementalIndexing, name, value);
    this.#add({ name, value, number: this.#added, size });
    return next;
  }

  /** RFC 7541 §2.3.3. */
  #index(entry: Entry): number {
    return staticCount + this.#added - entry.number;
  }

  /** RFC 7541 §6.2; `tag` says which of the three. */
  #literal(target: Uint8Array, start: number, tag: number, name: NameState, value: string): number {
    const mask = tag === incrementalIndexing ? 0x3f : 0x0f;
    const mode = this.#huffman;
    const huffman = mode === "always" || (tag === incrementalIndexing && mode === "indexed");
    let at = start;
    if (name.fixed !== undefined) at = writeInteger(target, at, tag, mask, name.fixed.index);
    else if (name.newest !== undefined)
      at = writeInteger(target, at, tag, mask, this.#index(name.newest));
    else {
      target[at] = tag;
      at = writeString(target, at + 1, name.text, huffman);
    }
    return writeString(target, at, value, huffman);
  }

  #name(text: string): NameState {
    const place = this.#place++ & (recentMax - 1);
    const recent = this.#recent[place];
    if (recent !== undefined && recent.text === text) return recent;
    if (text.length > nameLengthMax) return new NameState(text);
    const name = this.#names.get(text) ?? this.#newName(text);
    if (this.#recent.length === 0) this.#recent = new Array<undefined>(recentMax).fill(undefined);
    this.#recent[place] = name;
    return name;
  }

  #newName(text: string): NameState {
    if (this.#names.size >= namesMax + this.#count) {
      this.#recent.fill(undefined);
      for (const [other, { newest }] of this.#names)
        if (newest === undefined) this.#names.delete(other);
    }
    const name = new NameState(text);
    this.#names.set(text, name);
    return name;
  }

  #add(entry: Entry): void {
    const { name, value, size } = entry;
    this.#evict(this.#sizeMax - size);
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[entry.number & (this.#ring.length - 1)] = entry;
    this.#added++;
    this.#count++;
    this.#size += size;
    if (name.newest !== undefined) name.byValue ??= new Map([[name.newest.value, name.newest]]);
    name.byValue?.set(value, entry);
    name.newest = entry;
  }

  /** RFC 7541 §4.3 and §4.4: drops the oldest until the rest is no larger than `room`. */
  #evict(room: number): void {
    while (this.#count > 0 && this.#size > room) {
      const place = (this.#added - this.#count) & (this.#ring.length - 1);
      // In range: the ring holds the last #count entries.
      const { name, value, size } = this.#ring[place] as Entry;
      this.#ring[place] = undefined;
      this.#count--;
      this.#size -= size;
      name.byValue?.delete(value);
      if (name.newest?.value === value) name.newest = undefined;
    }
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<Entry | undefined>(old.length * 2 || ringAtFirst).fill(undefined);
    for (const entry of old)
      if (entry !== undefined) ring[entry.number & (ring.length - 1)] = entry;
    this.#ring = ring;
  }
}

/** RFC 7541 §5.1. */
function writeInteger(
  target: Uint8Array,
  start: number,
  tag: number,
  mask: number,
  value: number,
): number {
  if (value < mask) {
    target[start] = tag | value;
    return start + 1;
  }
  target[start] = tag | mask;
  let at = start + 1;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at] = rest;
  return at + 1;
}

/** RFC 7541 §5.2. */
function writeString(target: Uint8Array, at: number, text: string, huffman: boolean): number {
  if (huffman) {
    const length = huffmanLength(text);
    if (length < text.length)
      return huffmanEncode(target, writeInteger(target, at, 0x80, 0x7f, length), text);
  }
  return writeOctets(target, writeInteger(target, at, 0x00, 0x7f, text.length), text);
}
