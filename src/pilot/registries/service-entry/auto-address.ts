/** 240.240.0.1 … 240.240.255.254: a block that nobody routes. */
export const autoAddressesMax: number = 256 * 254;

const prime = 65_011;

/**
 * An address for every key (`namespace/hostname`), by its hash, so that it stays the same whatever else comes and goes: the very address
 * that Istio gives it (double hashing; keys in the order of age, one for each ServiceEntry). Keys beyond the block's size get none.
 */
export function allocateAddresses(keys: readonly string[]): ReadonlyMap<string, string> {
  const slots = new Map<number, string>();
  for (const key of keys.slice(0, autoAddressesMax)) slots.set(freeSlot(key, slots), key);
  const addresses = new Map<string, string>();
  const used = new Set<string>();
  for (const slot of [...slots.keys()].sort((a, b) => a - b)) {
    const key = slots.get(slot) ?? "";
    // A host that several ServiceEntries describe takes several places, and has the address of the lowest.
    if (addresses.has(key)) continue;
    let address = addressOf(slot);
    // Two places next to each other can mean one address: here Istio gives it to both.
    for (let next = slot + 1; used.has(address); next++) address = addressOf(next);
    used.add(address);
    addresses.set(key, address);
  }
  return addresses;
}

function freeSlot(key: string, taken: ReadonlyMap<number, string>): number {
  const first = fnv1a(key);
  const step = prime - (first % prime);
  let slot = first % autoAddressesMax;
  for (let round = 1; taken.has(slot) && round <= autoAddressesMax; round++) {
    slot = ((first + round * step) >>> 0) % (autoAddressesMax - 1);
  }
  // The steps may go in a circle that is full: then any free place will do.
  while (taken.has(slot)) slot = (slot + 1) % autoAddressesMax;
  return slot;
}

/** No address ends in 0 of a block of 255. */
function addressOf(slot: number): string {
  const place = (slot + 1) % 255 === 0 ? slot + 2 : slot + 1;
  return `240.240.${Math.floor(place / 255)}.${place % 255}`;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
