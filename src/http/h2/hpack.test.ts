import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";

type Field = readonly [name: string, value: string];

interface Example {
  readonly title: string;
  readonly huffman: "always" | "never";
  /** The dynamic table's size, which the examples of §C.5 and §C.6 set to 256. */
  readonly tableSize?: number;
  readonly sensitive?: boolean;
  /** Of one connection, in order. */
  readonly blocks: readonly { readonly hex: string; readonly fields: readonly Field[] }[];
}

const date21: Field = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const date22: Field = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const location: Field = ["location", "https://www.example.com"];
const cacheControl: Field = ["cache-control", "private"];
const request: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const requests: readonly (readonly Field[])[] = [
  request,
  [...request, ["cache-control", "no-cache"]],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const responses: readonly (readonly Field[])[] = [
  [[":status", "302"], cacheControl, date21, location],
  [[":status", "307"], cacheControl, date21, location],
  [
    [":status", "200"],
    cacheControl,
    date22,
    location,
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];

function blocks(lists: readonly (readonly Field[])[], hexes: readonly string[]): Example["blocks"] {
  return lists.map((fields, i) => ({ fields, hex: hexes[i] ?? "" }));
}

/** RFC 7541 Appendix C. */
const examples: readonly Example[] = [
  {
    title: "C.2.1 literal with indexing",
    huffman: "never",
    blocks: blocks(
      [[["custom-key", "custom-header"]]],
      ["400a637573746f6d2d6b65790d637573746f6d2d686561646572"],
    ),
  },
  {
    title: "C.2.3 literal never indexed",
    huffman: "never",
    sensitive: true,
    blocks: blocks([[["password", "secret"]]], ["100870617373776f726406736563726574"]),
  },
  { title: "C.2.4 indexed", huffman: "never", blocks: blocks([[[":method", "GET"]]], ["82"]) },
  {
    title: "C.3 requests without Huffman code",
    huffman: "never",
    blocks: blocks(requests, [
      "828684410f7777772e6578616d706c652e636f6d",
      "828684be58086e6f2d6361636865",
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ]),
  },
  {
    title: "C.4 requests with Huffman code",
    huffman: "always",
    blocks: blocks(requests, [
      "828684418cf1e3c2e5f23a6ba0ab90f4ff",
      "828684be5886a8eb10649cbf",
      "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ]),
  },
  {
    title: "C.5 responses without Huffman code",
    huffman: "never",
    tableSize: 256,
    blocks: blocks(responses, [
      "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
      "4803333037c1c0bf",
      "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ]),
  },
  {
    title: "C.6 responses with Huffman code",
    huffman: "always",
    tableSize: 256,
    blocks: blocks(responses, [
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
      "4883640effc1c0bf",
      "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ]),
  },
];

describe("RFC 7541 Appendix C", () => {
  for (const example of examples) {
    it(`decodes ${example.title}`, () => {
      const decoder = new HpackDecoder({ tableSizeMax: 4096 });
      // §C.5 and §C.6 begin with a table of 256 octets: 001 11111, 225 in two octets.
      if (example.tableSize === 256) decode(decoder, "3fe101");
      for (const { hex, fields } of example.blocks) {
        const seen = decode(decoder, hex);
        assert.equal(seen.problem, undefined);
        assert.deepEqual(seen.fields, fields);
        assert.ok(seen.neverIndexed.every((flag) => flag === (example.sensitive ?? false)));
      }
    });

    it(`encodes ${example.title}`, () => {
      const tableSizeMax = example.tableSize ?? 4096;
      const encoder = new HpackEncoder({ tableSizeMax, huffman: example.huffman });
      const update = example.tableSize === 256 ? "3fe101" : "";
      example.blocks.forEach(({ hex, fields }, i) => {
        // C.6.2 has 307 in Huffman code, which is no shorter: we leave it plain.
        const expected = hex.replace("4883640eff", "4803333037");
        assert.equal(
          encode(encoder, fields, example.sensitive),
          (i === 0 ? update : "") + expected,
        );
      });
    });
  }

  it("decodes C.2.2, a literal without indexing", () => {
    const decoder = new HpackDecoder({ tableSizeMax: 4096 });
    assert.deepEqual(decode(decoder, "040c2f73616d706c652f70617468").fields, [
      [":path", "/sample/path"],
    ]);
    assert.notEqual(decode(decoder, "be").problem, undefined);
  });
});

interface Decoded {
  readonly problem: string | undefined;
  readonly fields: Field[];
  readonly sizes: number[];
  readonly neverIndexed: boolean[];
}

function decode(decoder: HpackDecoder, hex: string): Decoded {
  const fields: Field[] = [];
  const sizes: number[] = [];
  const neverIndexed: boolean[] = [];
  const bytes = Buffer.from(hex, "hex");
  const problem = decoder.decode(bytes, 0, bytes.length, {
    onField: (name, value, size, never) => {
      fields.push([name, value]);
      sizes.push(size);
      neverIndexed.push(never);
    },
  });
  return { problem, fields, sizes, neverIndexed };
}

function encode(encoder: HpackEncoder, fields: readonly Field[], never = false): string {
  const target = Buffer.alloc(65_536);
  let at = encoder.begin(target, 0);
  for (const [name, value] of fields) at = encoder.field(target, at, name, value, never);
  return target.toString("hex", 0, at);
}
