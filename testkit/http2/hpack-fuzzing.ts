import assert from "node:assert/strict";
import { HpackDecoder } from "#http/h2/hpack-decoder.ts";
import { HpackEncoder } from "#http/h2/hpack-encoder.ts";
import { eachInput, type FuzzOptions, type FuzzRandom } from "../fuzz-inputs.ts";
import { type Field, requestFields } from "./header-stories.ts";
import { HpackModel } from "./hpack-model.ts";

const tableSizes = [0, 32, 100, 256, 1000, 4096];
const blocksMax = 12;
/** Tags, lengths and indices that lead somewhere, and Huffman codes that do not. */
const tokens: readonly (readonly number[])[] = [
  [0x00],
  [0x10],
  [0x20],
  [0x3f, 0xe1, 0x1f],
  [0x3f, 0xe2, 0x1f],
  [0x40],
  [0x7f],
  [0x80],
  [0xbe],
  [0xff],
  [0xff, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x7f],
  [0x84, 0xff, 0xff, 0xff, 0xff],
  [0x81, 0xff],
  [0x81, 0x00],
  [0x40, 0x01, 0x41, 0x00],
  [0x00, 0x00, 0x00],
];

/** What our encoder wrote is read back, by the decoder and by the model, through tables of changing size. */
export async function fuzzRoundTrip(options: FuzzOptions): Promise<void> {
  await eachInput(options, (random) => {
    const { encoder, decoder, model, tableSizeMax } = connection(random);
    for (let left = 1 + random.below(blocksMax); left > 0; left--) {
      for (let resizes = random.below(3); resizes > 1; resizes--)
        encoder.setPeerTableSize(Math.min(random.pick(tableSizes), tableSizeMax));
      const fields = requestFields(random);
      const block = encode(encoder, fields, random);
      const seen = decode(decoder, block);
      assert.equal(seen.problem, undefined);
      assert.deepEqual(seen.fields, fields);
      assert.deepEqual(model.decode(block), { fields, good: true });
    }
  });
}

/** Blocks spoilt on their way: the decoder and the model see the same fields and the same end. */
export async function fuzzDecoder(options: FuzzOptions): Promise<void> {
  await eachInput(options, (random) => {
    const { encoder, decoder, model } = connection(random);
    for (let left = 1 + random.below(blocksMax); left > 0; left--) {
      const block = mutate(random, encode(encoder, requestFields(random), random));
      const seen = decode(decoder, block);
      const expected = model.decode(block);
      const context = Buffer.from(block).toString("hex");
      assert.equal(seen.problem === undefined, expected.good, context);
      assert.deepEqual(seen.fields, expected.fields, context);
      if (!expected.good) return;
    }
  });
}

function connection(random: FuzzRandom) {
  const tableSizeMax = random.pick([256, 4096, 4096, 10_000]);
  return {
    tableSizeMax,
    encoder: new HpackEncoder({
      tableSizeMax,
      huffman: random.pick(["always", "never", "indexed"]),
    }),
    decoder: new HpackDecoder({ tableSizeMax }),
    model: new HpackModel(Math.max(tableSizeMax, 4096)),
  };
}

function encode(encoder: HpackEncoder, fields: readonly Field[], random: FuzzRandom): Uint8Array {
  const room = fields.reduce((sum, [name, value]) => sum + encoder.fieldBytesMax(name, value), 20);
  const target = new Uint8Array(room);
  let at = encoder.begin(target, 0);
  for (const [name, value] of fields) {
    const next = encoder.field(target, at, name, value, random.below(16) === 0);
    assert.ok(next - at <= encoder.fieldBytesMax(name, value));
    at = next;
  }
  return target.subarray(0, at);
}

function decode(decoder: HpackDecoder, block: Uint8Array) {
  const fields: Field[] = [];
  // Not at the start of its buffer, as in a connection's.
  const bytes = new Uint8Array(block.length + 10).fill(0x82);
  bytes.set(block, 5);
  const problem = decoder.decode(bytes, 5, 5 + block.length, {
    onField: (name, value, size) => {
      assert.equal(size, name.length + value.length + 32);
      fields.push([name, value]);
    },
  });
  return { problem, fields };
}

function mutate(random: FuzzRandom, block: Uint8Array): Uint8Array {
  let octets = [...block];
  for (let left = random.below(4); left > 1; left--) octets = mutateOnce(random, octets);
  return Uint8Array.from(octets);
}

function mutateOnce(random: FuzzRandom, octets: number[]): number[] {
  const at = random.below(octets.length + 1);
  const length = random.below(8);
  switch (random.below(6)) {
    case 0:
      return octets.toSpliced(at, 1, random.below(256));
    case 1:
      return octets.toSpliced(at, 0, ...random.pick(tokens));
    case 2:
      return octets.toSpliced(at, length);
    case 3:
      return octets.slice(0, at);
    case 4:
      return octets.toSpliced(at, length, ...random.pick(tokens));
    default:
      return [...octets.slice(0, at + length), ...octets.slice(at)];
  }
}
