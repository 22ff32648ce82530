import { Word64 } from "#lib/word64.ts";
import { xxHash64 } from "#lib/xxhash64.ts";

/** 240.240.0.1 … 240.240.255.254: a block that nobody routes. */
export const autoAddressesMax = 65_534;

/**
 * An address for every key (`namespace/hostname`), by its hash, so that it stays the same whatever else comes and goes; who comes
 * earlier in the list keeps it when two hash alike. Keys beyond the block's size get none.
 */
export function allocateAddresses(keys: readonly string[]): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>();
  const taken = new Set<number>();
  for (const key of keys.slice(0, autoAddressesMax)) {
    let slot = hash(key) % autoAddressesMax;
    while (taken.has(slot)) slot = (slot + 1) % autoAddressesMax;
    taken.add(slot);
    const offset = slot + 1;
    addresses.set(key, `240.240.${offset >> 8}.${offset & 0xff}`);
  }
  return addresses;
}

const scratch = new Word64();

function hash(key: string): number {
  return xxHash64(scratch, Buffer.from(key)).low >>> 0;
}
