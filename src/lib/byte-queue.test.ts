import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../testkit/seeded-random.ts";
import { ByteQueue } from "./byte-queue.ts";

describe("ByteQueue", () => {
  it("is empty at first, and gives nothing", () => {
    const queue = new ByteQueue();
    assert.equal(queue.size, 0);
    assert.equal(queue.take(10).length, 0);
  });

  it("keeps copies", () => {
    const queue = new ByteQueue();
    const bytes = Buffer.from("abc");
    queue.add(bytes);
    bytes.fill(0);
    assert.equal(Buffer.from(queue.take(10)).toString(), "abc");
  });

  it("does not write to what it gave", () => {
    const queue = new ByteQueue();
    queue.add(Buffer.from("abc"));
    const piece = queue.take(2);
    queue.add(Buffer.from("de"));
    assert.equal(Buffer.from(piece).toString(), "ab");
    assert.equal(Buffer.from(queue.take(10)).toString(), "cde");
  });

  it("gives all bytes in order, however they come and go", () => {
    const random = seededRandom(7);
    const queue = new ByteQueue();
    let added = 0;
    let taken = 0;
    for (let step = 0; step < 2000; step++) {
      const bytes = new Uint8Array(random.below(random.below(10) === 0 ? 40_000 : 50));
      for (let i = 0; i < bytes.length; i++) bytes[i] = added++ & 0xff;
      queue.add(bytes);
      let left = random.below(6000);
      while (left > 0 && queue.size > 0) {
        const piece = queue.take(left);
        assert.ok(piece.length > 0 && piece.length <= left);
        for (const byte of piece) assert.equal(byte, taken++ & 0xff);
        left -= piece.length;
      }
      assert.equal(queue.size, added - taken);
    }
  });

  it("drops what is left", () => {
    const queue = new ByteQueue();
    queue.add(Buffer.from("abc"));
    queue.clear();
    assert.equal(queue.size, 0);
    queue.add(Buffer.from("d"));
    assert.equal(Buffer.from(queue.take(10)).toString(), "d");
  });
});
