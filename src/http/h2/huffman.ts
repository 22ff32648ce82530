import { octetString } from "./octets.ts";

const eos = 256;

/**
 * Code lengths of the 256 octets and EOS (RFC 7541 Appendix B). The code is canonical: codes of one length count up in the order of
 * their symbols, and a longer code follows on from the last shorter one; so the lengths say it all.
 */
export const lengths: Uint8Array = Uint8Array.from([
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
]);

export const codes: Uint32Array = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const given = new Uint32Array(lengths.length);
  let next = 0;
  for (let length = 1; length <= 30; length++) {
    next *= 2;
    lengths.forEach((own, symbol) => {
      if (own === length) given[symbol] = next++;
    });
  }
  return given;
}

/** Octets that `text` takes in Huffman code, padding included. */
export function huffmanLength(text: string): number {
  let bits = 0;
  // In range: `lengths` has an entry for each octet.
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Writes `text` in Huffman code; returns the offset after it. */
export function huffmanEncode(target: Uint8Array, start: number, text: string): number {
  let at = start;
  let held = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    // In range: both have an entry for each octet.
    const code = codes[symbol] as number;
    let length = lengths[symbol] as number;
    if (length > 24) {
      // With the 7 bits that may be held it is too much for 32: its first octet goes alone.
      length -= 8;
      held = (held << 8) | (code >>> length);
      target[at++] = held >>> bits;
    }
    held = (held << length) | (code & ((1 << length) - 1));
    bits += length;
    while (bits >= 8) {
      bits -= 8;
      target[at++] = held >>> bits;
    }
  }
  // RFC 7541 §5.2: the padding is the most significant bits of EOS, all ones.
  if (bits > 0) target[at++] = (held << (8 - bits)) | (0xff >>> bits);
  return at;
}

/**
 * Decodes whole octets at a time: `#steps[state << 8 | octet]` says which symbols (two at most, the shortest code has 5 bits) the
 * octet completes and which state follows, where a state is an inner node of the code's tree. 256 KiB, shared by all connections of
 * a thread; a table by nibbles is 16 KiB and half as fast.
 */
export class HuffmanDecoder {
  readonly #steps: Int32Array;
  /** Whether a string may end in the state (RFC 7541 §5.2): fewer than 8 bits of padding, all ones. */
  readonly #mayEnd: Uint8Array;
  #scratch: Uint8Array = new Uint8Array(1024);

  private constructor() {
    const tree = codeTree();
    this.#steps = octetSteps(nibbleSteps(tree));
    this.#mayEnd = endStates(tree);
  }

  static #shared: HuffmanDecoder | undefined;

  /** Made at the first call: who speaks no HTTP/2 does not pay for the table. */
  static shared(): HuffmanDecoder {
    HuffmanDecoder.#shared ??= new HuffmanDecoder();
    return HuffmanDecoder.#shared;
  }

  /** Undefined: EOS, wrong padding or too much of it. */
  decode(bytes: Uint8Array, start: number, end: number): string | undefined {
    // 8/5 is the best ratio there is; two more as each step writes two octets.
    const needed = (((end - start) * 8) / 5 + 2) >>> 0;
    if (needed > this.#scratch.length) this.#scratch = new Uint8Array(needed * 2);
    const steps = this.#steps;
    const out = this.#scratch;
    let length = 0;
    let state = 0;
    for (let at = start; at < end; at++) {
      // In range: a state has 256 steps, and the caller's `end` is within `bytes`.
      const step = steps[(state << 8) | (bytes[at] as number)] as number;
      if (step < 0) return undefined;
      out[length] = step;
      out[length + 1] = step >>> 8;
      length += (step >>> 16) & 3;
      state = step >>> 18;
    }
    return this.#mayEnd[state] === 1 ? octetString(out, 0, length) : undefined;
  }
}

/** Inner nodes only: `[node * 2 + bit]` is a node, or -1 - symbol. */
type CodeTree = Int16Array;

function codeTree(): CodeTree {
  // A full binary tree with 257 leaves has 256 inner nodes.
  const tree = new Int16Array(2 * eos);
  let nodes = 1;
  lengths.forEach((length, symbol) => {
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const edge = node * 2 + codeBit(symbol, bit);
      if (tree[edge] === 0) tree[edge] = nodes++;
      node = tree[edge] ?? 0;
    }
    tree[node * 2 + codeBit(symbol, 0)] = -1 - symbol;
  });
  return tree;
}

function codeBit(symbol: number, bit: number): number {
  return ((codes[symbol] ?? 0) >>> bit) & 1;
}

/** A step: the state after it, how many symbols it completes, the second of them, the first. -1: EOS (RFC 7541 §5.2). */
function packStep(state: number, count: number, second: number, first: number): number {
  return (state << 18) | (count << 16) | (second << 8) | first;
}

/** `[state << 4 | nibble]`: a nibble completes one symbol at most. */
function nibbleSteps(tree: CodeTree): Int32Array {
  const steps = new Int32Array(eos << 4);
  for (let index = 0; index < steps.length; index++) {
    let node = index >> 4;
    let symbol = -1;
    for (let bit = 3; bit >= 0; bit--) {
      const next = tree[node * 2 + ((index >> bit) & 1)] ?? 0;
      if (next < 0) symbol = -1 - next;
      node = Math.max(next, 0);
    }
    steps[index] = symbol === eos ? -1 : packStep(node, symbol < 0 ? 0 : 1, 0, Math.max(symbol, 0));
  }
  return steps;
}

function octetSteps(nibbles: Int32Array): Int32Array {
  const steps = new Int32Array(eos << 8);
  for (let index = 0; index < steps.length; index++) {
    const high = nibbles[index >> 4] ?? -1;
    const low = high < 0 ? -1 : (nibbles[((high >>> 18) << 4) | (index & 0xf)] ?? -1);
    const state = low >>> 18;
    if (low < 0) steps[index] = -1;
    else if (((high >>> 16) & 3) === 0) steps[index] = low;
    else steps[index] = packStep(state, 1 + ((low >>> 16) & 3), low & 0xff, high & 0xff);
  }
  return steps;
}

function endStates(tree: CodeTree): Uint8Array {
  const mayEnd = new Uint8Array(eos);
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    mayEnd[node] = 1;
    node = tree[node * 2 + 1] ?? 0;
  }
  return mayEnd;
}
