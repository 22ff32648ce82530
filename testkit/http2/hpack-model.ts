/** HPACK decoding as plainly as RFC 7541 has it, to judge the fast one: a bit at a time, one list for the table, exceptions. */
import { staticCount, staticNames, staticValues } from "#http/h2/hpack-static.ts";
import { codes, lengths } from "#http/h2/huffman.ts";
import type { Field } from "./header-stories.ts";

const eos = 256;
const symbols = new Map<string, number>();
lengths.forEach((length, symbol) => {
  symbols.set((codes[symbol] ?? 0).toString(2).padStart(length, "0"), symbol);
});

export class HpackModel {
  readonly #sizeLimit: number;
  #sizeMax = 4096;
  /** Newest first. */
  #table: Field[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(sizeLimit: number) {
    this.#sizeLimit = sizeLimit;
  }

  /** The fields, and whether the block was in order to its end. */
  decode(bytes: Uint8Array): { fields: Field[]; good: boolean } {
    const fields: Field[] = [];
    this.#bytes = bytes;
    this.#at = 0;
    try {
      while (this.#at < bytes.length) {
        const field = this.#next(fields.length === 0);
        if (field !== undefined) fields.push(field);
      }
      return { fields, good: true };
    } catch {
      return { fields, good: false };
    }
  }

  #next(first: boolean): Field | undefined {
    const tag = this.#peek();
    if (tag >= 0x80) return this.#entry(this.#integer(7));
    if (tag >= 0x40) {
      const field = this.#literal(6);
      this.#table.unshift(field);
      this.#evict();
      return field;
    }
    if (tag < 0x20) return this.#literal(4);
    const size = this.#integer(5);
    if (!first || size > this.#sizeLimit) throw new Error("size update");
    this.#sizeMax = size;
    this.#evict();
    return undefined;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #entry(index: number): Field {
    const entry: Field | undefined =
      index > staticCount
        ? this.#table[index - staticCount - 1]
        : [staticNames[index] ?? "", staticValues[index] ?? ""];
    if (index === 0 || entry === undefined) throw new Error("index");
    return entry;
  }

  #evict(): void {
    const size = () => this.#table.reduce((sum, [n, v]) => sum + n.length + v.length + 32, 0);
    while (size() > this.#sizeMax) this.#table.pop();
  }

  #string(): string {
    const huffman = this.#peek() >= 0x80;
    const length = this.#integer(7);
    if (this.#at + length > this.#bytes.length) throw new Error("length");
    const octets = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    return huffman ? plain(octets) : Buffer.from(octets).toString("latin1");
  }

  #integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.#peek() & mask;
    this.#at++;
    if (value < mask) return value;
    for (let digit = 0; digit < 4; digit++) {
      const octet = this.#peek();
      this.#at++;
      value += (octet & 0x7f) * 128 ** digit;
      if (octet < 0x80) return value;
    }
    throw new Error("integer");
  }

  #peek(): number {
    const octet = this.#bytes[this.#at];
    if (octet === undefined) throw new Error("end");
    return octet;
  }
}

function plain(octets: Uint8Array): string {
  let text = "";
  let pending = "";
  for (const bit of Array.from(octets, (octet) => octet.toString(2).padStart(8, "0")).join("")) {
    pending += bit;
    const symbol = symbols.get(pending);
    if (symbol === undefined) continue;
    if (symbol === eos) throw new Error("EOS");
    text += String.fromCharCode(symbol);
    pending = "";
  }
  if (pending.length > 7 || pending.includes("0")) throw new Error("padding");
  return text;
}
