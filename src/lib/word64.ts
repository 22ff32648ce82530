/**
 * An unsigned 64-bit number that is changed in place, as two halves of 32 bits: hashing a request with it allocates
 * nothing. The halves are kept as int32, which V8 stores without a box.
 */
export class Word64 {
  high = 0;
  low = 0;

  set(high: number, low: number): this {
    this.high = high | 0;
    this.low = low | 0;
    return this;
  }

  copy(other: Word64): this {
    this.high = other.high;
    this.low = other.low;
    return this;
  }

  add(high: number, low: number): this {
    const sum = (this.low + low) | 0;
    const carry = sum >>> 0 < low >>> 0 ? 1 : 0;
    this.high = (this.high + high + carry) | 0;
    this.low = sum;
    return this;
  }

  multiply(high: number, low: number): this {
    const { high: ownHigh, low: ownLow } = this;
    // The upper half of the product of both lower halves, from its four products of 16 by 16 bits.
    const a = ownLow & 0xffff;
    const b = ownLow >>> 16;
    const c = low & 0xffff;
    const d = low >>> 16;
    const first = (Math.imul(b, c) >>> 0) + (Math.imul(a, c) >>> 16);
    const second = (Math.imul(a, d) >>> 0) + (first & 0xffff);
    const upper = Math.imul(b, d) + (first >>> 16) + (second >>> 16);
    this.high = (upper + Math.imul(ownHigh, low) + Math.imul(ownLow, high)) | 0;
    this.low = Math.imul(ownLow, low);
    return this;
  }

  xor(high: number, low: number): this {
    this.high ^= high;
    this.low ^= low;
    return this;
  }

  /** By 1 to 31 bits. */
  rotateLeft(bits: number): this {
    const { high, low } = this;
    this.high = (high << bits) | (low >>> (32 - bits));
    this.low = (low << bits) | (high >>> (32 - bits));
    return this;
  }

  /** `this ^= this >>> bits`, for 1 to 63 bits. */
  xorShiftRight(bits: number): this {
    const { high } = this;
    if (bits >= 32) {
      this.low ^= high >>> (bits - 32);
      return this;
    }
    this.high ^= high >>> bits;
    this.low ^= (this.low >>> bits) | (high << (32 - bits));
    return this;
  }

  /** The rest of a division, for divisors up to 2³²: the numbers in between stay below 2⁵³. */
  modulo(divisor: number): number {
    const { low } = this;
    const high = (this.high >>> 0) % divisor;
    const upper = (high * twoTo16 + (low >>> 16)) % divisor;
    return (upper * twoTo16 + (low & 0xffff)) % divisor;
  }

  /** 16 digits. */
  get hex(): string {
    return hexHalf(this.high) + hexHalf(this.low);
  }
}

const twoTo16 = 2 ** 16;

function hexHalf(half: number): string {
  return (half >>> 0).toString(16).padStart(8, "0");
}
