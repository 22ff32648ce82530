import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { internName } from "../headers.ts";
import { HpackDecoder } from "./hpack-decoder.ts";

interface Seen {
  readonly problem: string | undefined;
  /** As "name: value". */
  readonly fields: string[];
}

function newDecoder(tableSizeMax = 4096): HpackDecoder {
  return new HpackDecoder({ tableSizeMax });
}

function decode(decoder: HpackDecoder, hex: string): Seen {
  const fields: string[] = [];
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const onField = (name: string, value: string) => fields.push(`${name}: ${value}`);
  return { problem: decoder.decode(bytes, 0, bytes.length, { onField }), fields };
}

/** Each is a block of its own, on a connection of its own. */
const malformed: readonly (readonly [title: string, hex: string, problem: string])[] = [
  ["index 0", "80", "no such index"],
  ["an index past the static table, with nothing in the dynamic one", "be", "no such index"],
  ["an index past the dynamic table", "40 01 61 01 62 be bf", "no such index"],
  ["a name's index past the tables", "7e 01 61", "no such index"],
  ["an index cut after its prefix", "ff", "ends within a field"],
  ["an index cut within its octets", "ff 80", "ends within a field"],
  ["an integer of five octets after the prefix", "ff 80 80 80 80 00", "integer too large"],
  ["an integer that never ends", "ff ff ff ff ff ff ff ff ff ff ff", "integer too large"],
  ["no name", "40", "ends within a field"],
  ["no value", "40 01 61", "ends within a field"],
  ["a name cut short", "40 05 61", "ends within a field"],
  ["a value cut short", "40 01 61 05 62", "ends within a field"],
  ["a length that wraps around 32 bits", "40 01 61 7f ff ff ff 7f 62", "ends within a field"],
  ["a length over every limit", "40 01 61 7f ff ff ff ff 0f 62", "integer too large"],
  ["a size update after a field", "82 20", "size update after a field"],
  ["a size update over the limit", "3f e2 1f", "size over the limit"],
  ["a size update without its end", "3f e1", "ends within a field"],
  ["EOS in Huffman code", "40 01 61 84 ff ff ff ff", "bad Huffman code"],
  ["padding of 8 bits", "40 01 61 82 1f ff", "bad Huffman code"],
  ["padding of zeros", "40 01 61 81 18", "bad Huffman code"],
  ["padding of a zero amid ones", "40 01 61 81 1d", "bad Huffman code"],
  ["padding of a whole octet and nothing else", "40 01 61 81 ff", "bad Huffman code"],
  ["bad Huffman code in a name", "40 81 18 01 61", "bad Huffman code"],
];

describe("a malformed block is a problem", () => {
  for (const [title, hex, problem] of malformed) {
    it(title, () => {
      assert.match(decode(newDecoder(), hex).problem ?? "", new RegExp(problem));
    });
  }

  it("and the fields before it have been given", () => {
    assert.deepEqual(decode(newDecoder(), "82 40 01 61 01 62 80").fields, [":method: GET", "a: b"]);
  });

  it("wherever it is cut, unless between two fields", () => {
    const block =
      "828684418cf1e3c2e5f23a6ba0ab90f4ff 5886a8eb10649cbf 408825a849e95ba97d7f8925a849e95bb8e8b4bf";
    const bytes = Buffer.from(block.replaceAll(" ", ""), "hex");
    const whole: number[] = [];
    for (let end = 0; end <= bytes.length; end++) {
      const { problem } = decode(newDecoder(), bytes.toString("hex", 0, end));
      if (problem === undefined) whole.push(end);
      else assert.match(problem, /ends within a field/);
    }
    assert.deepEqual(whole, [0, 1, 2, 3, 17, 25, bytes.length]);
  });
});

describe("in order", () => {
  it("padding of 7 ones", () => {
    // "+" is 11111111011 and "/" is 011000: 17 bits, and 7 of padding.
    assert.deepEqual(decode(newDecoder(), "40 01 61 83 ff 6c 7f").fields, ["a: +/"]);
  });

  it("an empty block, an empty string and an empty one in Huffman code", () => {
    const decoder = newDecoder();
    assert.deepEqual(decode(decoder, ""), { problem: undefined, fields: [] });
    assert.deepEqual(decode(decoder, "00 01 61 00 00 01 61 80").fields, ["a: ", "a: "]);
  });

  it("an integer padded with zeros, within four octets", () => {
    assert.deepEqual(decode(newDecoder(), "0f 81 80 80 00 01 61").fields, ["accept-encoding: a"]);
  });

  it("two size updates at the beginning, which evict", () => {
    const decoder = newDecoder();
    decode(decoder, "40 01 61 01 62");
    assert.deepEqual(decode(decoder, "be").fields, ["a: b"]);
    assert.deepEqual(decode(decoder, "20 3f e1 1f 82").fields, [":method: GET"]);
    assert.match(decode(decoder, "be").problem ?? "", /no such index/);
  });

  it("an entry larger than the table empties it", () => {
    const decoder = newDecoder();
    decode(decoder, "3f 09 40 01 61 01 62");
    assert.deepEqual(decode(decoder, "be").fields, ["a: b"]);
    const value = "62".repeat(8);
    assert.equal(decode(decoder, `40 01 61 08 ${value}`).problem, undefined);
    assert.match(decode(decoder, "be").problem ?? "", /no such index/);
  });

  it("a name by an index that the entry itself evicts", () => {
    const decoder = newDecoder();
    decode(decoder, "3f 09 40 01 61 01 62");
    // One entry fits: its name is read before it goes (RFC 7541 §4.4).
    assert.deepEqual(decode(decoder, "7e 01 63 be").fields, ["a: c", "a: c"]);
  });
});

describe("names", () => {
  const names = (hex: string): string[] => {
    const seen: string[] = [];
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    newDecoder().decode(bytes, 0, bytes.length, { onField: (name) => seen.push(name) });
    return seen;
  };

  it("in upper case are given as they came, for the codec to refuse", () => {
    assert.deepEqual(names("00 03 58 2d 61 00"), ["X-a"]);
  });

  it("that are no tokens are given as they came: empty, with a space, with a high octet", () => {
    assert.deepEqual(names("00 00 00 00 03 61 20 62 00 00 01 e9 00"), ["", "a b", "\xe9"]);
  });

  it("do not fill the table of interned names with upper case", () => {
    names("00 08 55 6e 73 65 65 6e 2d 31 00");
    assert.equal(internName("Unseen-1"), "unseen-1");
  });
});

describe("the table's limit", () => {
  it("is the default until the peer acknowledges a smaller one, and then asks for a size update", () => {
    const decoder = newDecoder(100);
    assert.equal(decode(decoder, "82").problem, undefined);
    decoder.onSettingsAcknowledged();
    // RFC 9113 §4.3.1.
    assert.match(decode(decoder, "82").problem ?? "", /size update missing/);
  });

  it("is kept by the peer once it has said so", () => {
    const decoder = newDecoder(100);
    decoder.onSettingsAcknowledged();
    assert.equal(decode(decoder, "3f 45 82").problem, undefined);
    assert.equal(decode(decoder, "82").problem, undefined);
    assert.match(decode(decoder, "3f 46 82").problem ?? "", /over the limit/);
  });

  it("may be raised by us and used by the peer", () => {
    const decoder = newDecoder(8192);
    assert.equal(decode(decoder, "3f e1 3f 82").problem, undefined);
    assert.match(decode(decoder, "3f e2 3f").problem ?? "", /over the limit/);
  });
});
