import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { HeaderList } from "#http/headers.ts";
import { fakeServices } from "../../../testkit/fake-services.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import type { HttpFilter, HttpStream } from "../filters/http/filter.ts";
import { BodyCoder, type Coding } from "./body-coder.ts";
import type { Codec } from "./codec.ts";
import { compileCompressor } from "./compressors.ts";
import { compileDecompressor } from "./decompressors.ts";

const library = (name: string, side: string, config: object = {}) => ({
  name: "text",
  typedConfig: {
    "@type": `type.googleapis.com/envoy.extensions.compression.${name}.${side}.v3.${name[0]?.toUpperCase()}${name.slice(1)}`,
    ...config,
  },
});

/** A stream that notes what it is told. */
class Notes {
  readonly told: string[] = [];
  bytes = Buffer.alloc(0);
  readonly info = { responseStartMs: 0 };
  #wake = (): void => {};

  /** Waits for the end, or the refusal, of the body. */
  async over(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (!this.#isOver) await promise;
  }

  get #isOver(): boolean {
    return this.told.some((line) => /^(end|trailers|reply|abort)/.test(line));
  }

  #tell(line: string): void {
    this.told.push(line);
    if (this.#isOver) this.#wake();
  }

  injectResponseData(_from: HttpFilter, chunk: Uint8Array, end: boolean): void {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    if (end) this.#tell("end");
  }
  injectResponseTrailers(_from: HttpFilter, trailers: HeaderList): void {
    this.#tell(`trailers ${trailers.list.join(" ")}`);
  }
  injectRequestData(from: HttpFilter, chunk: Uint8Array, end: boolean): void {
    this.injectResponseData(from, chunk, end);
  }
  injectRequestTrailers(from: HttpFilter, trailers: HeaderList): void {
    this.injectResponseTrailers(from, trailers);
  }
  pauseResponse(): void {
    this.#tell("pause");
  }
  unpauseResponse(): void {
    this.#tell("unpause");
  }
  reply({ status }: { readonly status: number }): void {
    this.#tell(`reply ${status}`);
  }
  abort(details: string): void {
    this.#tell(`abort ${details}`);
  }
}

function coderOf(
  codec: Codec,
  direction: "request" | "response",
  decodes?: { readonly ratioMax: number; readonly freeBytes: number },
): { readonly coder: BodyCoder; readonly notes: Notes; readonly errors: string[] } {
  const { stats } = fakeServices();
  const errors: string[] = [];
  const coding: Coding = {
    direction,
    bytesIn: stats.counter("in"),
    bytesOut: stats.counter("out"),
    decodes:
      decodes === undefined
        ? undefined
        : {
            ...decodes,
            trailerIn: "in",
            trailerOut: "out",
            countError: ({ code }) => errors.push(code ?? ""),
          },
  };
  const notes = new Notes();
  // Proof: what a coder uses of a stream is what `Notes` has.
  const coder = new BodyCoder(codec, coding, notes as unknown as HttpStream, {});
  return { coder, notes, errors };
}

const text = "a body that is worth its compression ".repeat(30);

for (const [name, encode] of [
  ["gzip", gzipSync],
  ["brotli", brotliCompressSync],
  ["zstd", zstdCompressSync],
] as const) {
  const compress = compileCompressor(library(name, "compressor"));
  const decompress = compileDecompressor(library(name, "decompressor"));

  test(`${name}: what comes whole is coded on the spot`, () => {
    const { coder } = coderOf(compress, "response");
    const coded = coder.onData(Buffer.from(text), true);
    assert.ok(coded instanceof Uint8Array);
    assert.equal(Buffer.from(decompress.once(coded, 1e6)).toString(), text);
  });

  test(`${name}: pieces go on in their order, trailers behind them`, async () => {
    const { coder, notes } = coderOf(compress, "response");
    for (const piece of text.match(/.{1,100}/g) ?? [])
      assert.equal(coder.onData(Buffer.from(piece), false), "consume");
    assert.equal(coder.onTrailers(new HeaderList(["a", "1"])), "consume");
    await notes.over();
    assert.deepEqual(notes.told, ["trailers a 1"]);
    assert.equal(Buffer.from(decompress.once(notes.bytes, 1e6)).toString(), text);
  });

  test(`${name}: a body cut anywhere is decoded the same`, async () => {
    const whole = encode(text);
    for (const at of [1, 2, 5, 11, whole.length - 1]) {
      const { coder, notes } = coderOf(decompress, "response", decompress);
      coder.onData(whole.subarray(0, at), false);
      coder.onData(whole.subarray(at), true);
      await notes.over();
      assert.deepEqual(notes.told, [`trailers in ${whole.length} out ${text.length}`]);
      assert.equal(notes.bytes.toString(), text);
    }
  });

  test(`${name}: a bomb is refused, whole or in pieces, and counted`, async () => {
    const bomb = encode("0".repeat(3_000_000));
    for (const end of [true, false]) {
      const { coder, notes, errors } = coderOf(decompress, "request", decompress);
      coder.onData(bomb, end);
      await notes.over();
      assert.deepEqual([notes.told, errors], [["reply 413"], ["ERR_BUFFER_TOO_LARGE"]]);
      assert.ok(notes.bytes.length <= 100 * bomb.length + 4096, String(notes.bytes.length));
      assert.equal(coder.onData(bomb, true), "consume");
    }
  });

  test(`${name}: what is no such coding ends the response`, async () => {
    const { coder, notes, errors } = coderOf(decompress, "response", decompress);
    coder.onData(Buffer.from("this is no such thing"), false);
    await notes.over();
    assert.deepEqual(notes.told, ["abort response_cannot_be_decompressed"]);
    assert.equal(errors.length, 1);
  });
}

for (const [name, encode] of [
  ["gzip", gzipSync],
  ["brotli", brotliCompressSync],
  ["zstd", zstdCompressSync],
] as const) {
  test(`${name}: a damaged body ends, and within its limit`, async () => {
    const decompress = compileDecompressor(library(name, "decompressor"));
    const random = seededRandom(7);
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(encode(text.repeat(1 + random.below(40))));
      for (let i = random.below(4); i >= 0; i--)
        damaged[random.below(damaged.length)] = random.below(256);
      const cut = random.below(damaged.length + 1);
      const { coder, notes } = coderOf(decompress, "response", decompress);
      coder.onData(damaged.subarray(0, cut), round % 3 === 0);
      if (round % 3 !== 0) coder.onData(damaged.subarray(cut), true);
      await notes.over();
      assert.match(notes.told.at(-1) ?? "", /^(trailers|abort)/, `round ${round}`);
      assert.ok(notes.bytes.length <= Math.max(4096, 100 * damaged.length), `round ${round}`);
    }
  });
}

test("a sender is held back while much waits for the thread pool, and goes on", async () => {
  const { coder, notes } = coderOf(compileCompressor(library("gzip", "compressor")), "response");
  const piece = Buffer.alloc(40_000, "piece");
  coder.onData(piece, false);
  assert.deepEqual(notes.told, []);
  coder.onData(piece, false);
  coder.onData(piece, true);
  assert.deepEqual(notes.told, ["pause"]);
  await notes.over();
  assert.deepEqual(notes.told, ["pause", "unpause", "end"]);
});

test("nothing goes on when the stream is over, and its sender is let go", async () => {
  const codec = compileCompressor(library("gzip", "compressor"));
  const pools = [codec.open()];
  const watched: Codec = { ...codec, open: () => pools[0] ?? codec.open() };
  const { coder, notes } = coderOf(watched, "response");
  coder.onData(Buffer.alloc(80_000), false);
  const closed = once(pools[0] ?? codec.open(), "close");
  coder.close();
  await closed;
  assert.deepEqual(notes.told, ["pause", "unpause"]);
  assert.equal(notes.bytes.length, 0);
});
