/** The other HPACK at hand is nghttp2's, inside node:http2: it reads what we write, and we read what it writes. */
import assert from "node:assert/strict";
import http2 from "node:http2";
import { type Duplex, duplexPair } from "node:stream";
import { it } from "node:test";
import { FuzzRandom } from "../../../testkit/fuzz-inputs.ts";
import { type Field, requestFields } from "../../../testkit/http2/header-stories.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";

const requests = 200;
const frameHeadBytes = 9;
const headers = 1;
const settings = 4;
const acknowledgement = 1;
const endStreamAndHeaders = 5;

/** A client by hand at one end of a pipe and node:http2's server at the other, which answers with the fields it was sent. */
class Connection {
  readonly #socket: Duplex;
  readonly #encoder: HpackEncoder = new HpackEncoder({ tableSizeMax: 65_536, huffman: "always" });
  readonly #decoder: HpackDecoder;
  #received: Buffer = Buffer.alloc(0);
  #streamId = -1;
  #seen: Field[] = [];
  #onAnswer: (fields: Field[]) => void = () => {};
  #onFailure: (reason: Error) => void = () => {};

  constructor(options: { readonly ownTableSize: number; readonly peerTableSize: number }) {
    const [near, far] = duplexPair();
    this.#socket = near;
    this.#decoder = new HpackDecoder({ tableSizeMax: options.ownTableSize });
    near.on("data", (bytes: Buffer) => this.#read(bytes));
    const server = http2.performServerHandshake(far, {
      settings: { headerTableSize: options.peerTableSize },
    });
    server.on("error", (error) => this.#onFailure(error));
    server.on("stream", (stream, _fields, _flags, raw) => {
      this.#seen = pairs(raw);
      const plain = this.#seen.filter(([name]) => !name.startsWith(":"));
      stream.respond([":status", "200", ...plain.flat()], { endStream: true });
    });
    near.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.#sendFrame(settings, 0, 0, tableSizeSetting(options.ownTableSize));
  }

  /** What the server saw, and what it answered. */
  async request(fields: readonly Field[]): Promise<{ seen: Field[]; answer: Field[] }> {
    const answer = new Promise<Field[]>((resolve, reject) => {
      this.#onAnswer = resolve;
      this.#onFailure = reject;
    });
    const block = Buffer.alloc(20_000);
    let at = this.#encoder.begin(block, 0);
    for (const [name, value] of fields) at = this.#encoder.field(block, at, name, value);
    this.#streamId += 2;
    this.#sendFrame(headers, endStreamAndHeaders, this.#streamId, block.subarray(0, at));
    return { answer: await answer, seen: this.#seen };
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #sendFrame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const head = Buffer.alloc(frameHeadBytes);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(streamId, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= frameHeadBytes) {
      const end = frameHeadBytes + this.#received.readUIntBE(0, 3);
      if (this.#received.length < end) return;
      const frame = this.#received.subarray(0, end);
      this.#received = this.#received.subarray(end);
      this.#frame(frame.readUInt8(3), frame.readUInt8(4), frame.subarray(frameHeadBytes));
    }
  }

  #frame(type: number, flags: number, payload: Buffer): void {
    if (type === settings && (flags & acknowledgement) !== 0) {
      this.#decoder.onSettingsAcknowledged();
    } else if (type === settings) {
      for (let at = 0; at < payload.length; at += 6)
        if (payload.readUInt16BE(at) === 1)
          this.#encoder.setPeerTableSize(payload.readUInt32BE(at + 2));
      this.#sendFrame(settings, acknowledgement, 0, Buffer.alloc(0));
    } else if (type === headers) {
      const fields: Field[] = [];
      const onField = (name: string, value: string) => fields.push([name, value]);
      const problem = this.#decoder.decode(payload, 0, payload.length, { onField });
      if (problem === undefined) this.#onAnswer(fields);
      else this.#onFailure(new Error(problem));
    } else this.#onFailure(new Error(`frame of type ${type}`));
  }
}

function tableSizeSetting(size: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(1, 0);
  payload.writeUInt32BE(size, 2);
  return payload;
}

function pairs(raw: readonly string[]): Field[] {
  return raw.flatMap((name, i): Field[] => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""]] : []));
}

/** One field of a name: node refuses to send some of them twice. */
function story(random: FuzzRandom): Field[] {
  return [...new Map(requestFields(random).map((field) => [field[0], field])).values()];
}

for (const ownTableSize of [0, 100, 4096, 10_000]) {
  for (const peerTableSize of [0, 256, 4096, 65_536]) {
    it(`we hold ${ownTableSize} octets of table and nghttp2 ${peerTableSize}`, async () => {
      const connection = new Connection({ ownTableSize, peerTableSize });
      const random = new FuzzRandom(ownTableSize + peerTableSize);
      for (let left = requests; left > 0; left--) {
        const fields = story(random);
        const { seen, answer } = await connection.request(fields);
        assert.deepEqual(seen, fields);
        const plain = fields.filter(([name]) => !name.startsWith(":"));
        assert.deepEqual(answer.slice(0, plain.length + 1), [[":status", "200"], ...plain]);
      }
      connection.destroy();
    });
  }
}

it("every octet goes both ways, alone and among others", async () => {
  const connection = new Connection({ ownTableSize: 4096, peerTableSize: 4096 });
  const head = story(new FuzzRandom(1)).slice(0, 4);
  for (let code = 0x21; code < 0x100; code++) {
    if (code === 0x7f) continue;
    const octet = String.fromCharCode(code);
    // Enough short codes for the whole to be shorter in Huffman code, whatever this one's is.
    const fields: Field[] = [
      ...head,
      ["x-octet", `${octet}aaaaaaaaaaaa${octet}`],
      ["x-alone", octet],
    ];
    const { seen, answer } = await connection.request(fields);
    assert.deepEqual(seen, fields);
    assert.deepEqual(answer.slice(1, 3), fields.slice(4));
  }
  connection.destroy();
});
