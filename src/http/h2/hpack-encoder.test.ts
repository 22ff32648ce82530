import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultTableSize, HpackDecoder } from "./hpack-decoder.ts";
import { beginBytesMax, HpackEncoder } from "./hpack-encoder.ts";

type Field = readonly [name: string, value: string];

/** One connection: what one end encodes the other decodes. */
class Connection {
  readonly encoder: HpackEncoder;
  readonly #decoder: HpackDecoder;

  constructor(tableSizeMax: number = defaultTableSize) {
    this.encoder = new HpackEncoder({ tableSizeMax });
    this.#decoder = new HpackDecoder({ tableSizeMax });
  }

  /** The block, in hexadecimal. */
  send(fields: readonly Field[], neverIndexed = false): string {
    const target = Buffer.alloc(20_000);
    let at = this.encoder.begin(target, 0);
    assert.ok(at <= beginBytesMax);
    for (const [name, value] of fields) {
      const next = this.encoder.field(target, at, name, value, neverIndexed);
      assert.ok(next - at <= this.encoder.fieldBytesMax(name, value));
      at = next;
    }
    const seen: Field[] = [];
    const onField = (name: string, value: string) => seen.push([name, value]);
    assert.equal(this.#decoder.decode(target, 0, at, { onField }), undefined);
    assert.deepEqual(seen, fields);
    return target.toString("hex", 0, at);
  }
}

describe("what is indexed", () => {
  it("a value that comes again is one octet", () => {
    const connection = new Connection();
    connection.send([["x-a", "1"]]);
    assert.equal(connection.send([["x-a", "1"]]), "be");
  });

  it("two values of one name in turn are both found", () => {
    const connection = new Connection();
    connection.send([["x-a", "1"]]);
    connection.send([["x-a", "2"]]);
    assert.equal(
      connection.send([
        ["x-a", "1"],
        ["x-a", "2"],
      ]),
      "bfbe",
    );
  });

  it("a value whose entry was evicted with its name is indexed anew, and so are those after it", () => {
    const connection = new Connection(100);
    for (const value of ["1", "2", "3", "1", "2", "3", "2"]) connection.send([["x-a", value]]);
    assert.equal(connection.send([["x-a", "2"]]), "bf");
  });

  it("a name whose values never come again stops filling the table", () => {
    const connection = new Connection();
    const sizes: number[] = [];
    for (let id = 0; id < 2000; id++) {
      connection.send([["x-request-id", `unique-${id}`]]);
      sizes.push(connection.send([["x-stays", "here"]]).length / 2);
    }
    const literals = sizes.slice(1000).filter((size) => size > 2);
    // The oldest goes first, however much it is used: a probe now and then still pushes it out, once.
    assert.ok(literals.length <= 1, `${literals.length} of 1000`);
  });

  it("and begins again when they do come", () => {
    const connection = new Connection();
    for (let id = 0; id < 1000; id++) connection.send([["x-request-id", `unique-${id}`]]);
    for (let id = 0; id < 64; id++) connection.send([["x-request-id", "always the same"]]);
    assert.equal(connection.send([["x-request-id", "always the same"]]).length / 2, 1);
  });

  it("a value of most of the table is not", () => {
    const connection = new Connection();
    const value = "v".repeat(3100);
    const first = connection.send([["x-a", value]]);
    assert.equal(connection.send([["x-a", value]]), first);
    assert.ok(first.startsWith("0003"), first.slice(0, 20));
  });

  it("nothing, when the peer has no table", () => {
    const connection = new Connection();
    connection.encoder.setPeerTableSize(0);
    assert.equal(connection.send([["x-a", "1"]]), "2000" + "03782d610131");
    assert.equal(connection.send([["x-a", "1"]]), "00" + "03782d610131");
  });
});

describe("what is never indexed", () => {
  it("credentials, short cookies and what the caller says", () => {
    const connection = new Connection();
    for (let time = 0; time < 2; time++) {
      assert.equal(connection.send([["authorization", "abc"]]), "1f0803616263");
      assert.equal(connection.send([["proxy-authorization", "abc"]]), "1f2203616263");
      assert.equal(connection.send([["cookie", "a=b"]]), "1f1103613d62");
      assert.equal(connection.send([["x-a", "1"]], true), "1003782d610131");
      assert.equal(connection.send([[":method", "GET"]], true), "1203474554");
    }
  });

  it("but a long cookie is indexed", () => {
    const connection = new Connection();
    connection.send([["cookie", "session=0123456789abcdef"]]);
    assert.equal(connection.send([["cookie", "session=0123456789abcdef"]]), "be");
  });
});

describe("size updates", () => {
  it("come before the first field of the next block, once", () => {
    const connection = new Connection();
    connection.encoder.setPeerTableSize(100);
    assert.equal(connection.send([[":method", "GET"]]), "3f4582");
    assert.equal(connection.send([[":method", "GET"]]), "82");
  });

  it("name the smallest size in between and the last (RFC 7541 §4.2)", () => {
    const connection = new Connection();
    connection.send([["x-a", "1"]]);
    connection.encoder.setPeerTableSize(0);
    connection.encoder.setPeerTableSize(4096);
    assert.equal(connection.send([[":method", "GET"]]), "203fe11f82");
    assert.ok(connection.send([["x-a", "1"]]).startsWith("40"), "the entry is gone");
  });

  it("say at once that we want less than the default", () => {
    assert.equal(new Connection(256).send([[":method", "GET"]]), "3fe10182");
  });

  it("go no higher than we want", () => {
    const connection = new Connection();
    connection.encoder.setPeerTableSize(1_000_000);
    assert.equal(connection.send([[":method", "GET"]]), "82");
  });
});

describe("limits", () => {
  it("strangers' names are forgotten, and those in use are not", () => {
    const connection = new Connection();
    for (let name = 0; name < 5000; name++)
      connection.send([
        [`x-${name}`, "1"],
        ["x-a", "1"],
      ]);
    assert.equal(connection.send([["x-4999", "1"]]).length / 2, 1);
  });

  it("a name of more than 128 octets is not indexed", () => {
    const connection = new Connection();
    const first = connection.send([["x".repeat(129), "1"]]);
    assert.ok(first.startsWith("00"));
    assert.equal(connection.send([["x".repeat(129), "1"]]), first);
  });
});
