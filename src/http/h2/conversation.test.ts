/** Both roles talk to each other, cut anywhere, paused and blocked at random: nothing is lost, and everything comes to an end. */
import assert from "node:assert/strict";
import { it } from "node:test";
import type { Random } from "#lib/random.ts";
import { MemoryOutput } from "../../../testkit/http2/codec-log.ts";
import { CountedStats } from "../../../testkit/http2/tiny-server.ts";
import { seededRandom } from "../../../testkit/seeded-random.ts";
import { HeaderList } from "../headers.ts";
import {
  type OutgoingStream,
  RequestHead,
  type RequestSink,
  ResponseHead,
  type ResponseSink,
} from "../message.ts";
import { Http2ClientCodec } from "./client.ts";
import { type Http2Options, http2Defaults } from "./http2-options.ts";
import { Http2ServerCodec } from "./server.ts";

/** A direction: what one side wrote and the other has not read. */
class Wire {
  readonly output: MemoryOutput = new MemoryOutput();
  #bytes: Buffer = Buffer.alloc(0);

  /** The begin of what is on its way; at times all of it. */
  next(random: Random): Buffer {
    this.output.endEvent();
    this.#bytes = Buffer.concat([this.#bytes, this.output.take()]);
    const all = this.#bytes.length;
    const size = random.below(2) === 0 ? all : random.below(Math.min(all, 20_000) + 1);
    const piece = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return Buffer.from(piece);
  }
}

/** One side of an exchange: sends octets that count up, and checks that what it gets does. */
class Side implements RequestSink, ResponseSink {
  readonly toSend: number;
  stream: OutgoingStream | undefined;
  received = 0;
  ended = false;
  trailers = 0;
  reset: string | undefined;
  sent = 0;
  /** May send, and has not ended. */
  sending = false;
  #stopped = false;
  #paused = false;
  readonly #onHead: (head: RequestHead | ResponseHead) => void;

  constructor(toSend: number, onHead: (head: RequestHead | ResponseHead) => void = () => {}) {
    this.toSend = toSend;
    this.#onHead = onHead;
  }

  onHead(head: RequestHead | ResponseHead, end: boolean): void {
    this.ended = end;
    this.#onHead(head);
  }

  onInformational(): void {}

  onData(chunk: Uint8Array, end: boolean): void {
    assert.equal(this.ended, false);
    for (const octet of chunk) {
      if (octet !== (this.received & 0xff)) assert.fail(`octet ${this.received} is ${octet}`);
      this.received++;
    }
    this.ended = end;
  }

  onTrailers(trailers: HeaderList): void {
    assert.equal(this.ended, false);
    this.ended = true;
    this.trailers = trailers.count;
  }

  onReset(reason: string, detail: string): void {
    this.reset = `${reason} ${detail}`;
  }

  onUnwritable(): void {
    assert.equal(this.#stopped, false);
    this.#stopped = true;
  }

  onWritable(): void {
    assert.equal(this.#stopped, true);
    this.#stopped = false;
  }

  send(random: Random): void {
    if (!this.sending || this.#stopped) return;
    const size = Math.min(this.toSend - this.sent, random.below(40_000));
    const chunk = new Uint8Array(size);
    for (let i = 0; i < size; i++) chunk[i] = (this.sent + i) & 0xff;
    this.sent += size;
    const ends = this.sent === this.toSend;
    const trailed = this.toSend % 3 === 0;
    if (ends) this.sending = false;
    this.stream?.sendData(chunk, ends && !trailed);
    if (ends && trailed) this.stream?.sendTrailers(HeaderList.of({ "x-t": "1" }));
    // It was the codec's only during the call.
    chunk.fill(0xee);
  }

  setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.stream?.pause();
    else this.stream?.resume();
  }
}

class Conversation {
  readonly #random: Random;
  readonly #up: Wire = new Wire();
  readonly #down: Wire = new Wire();
  readonly #client: Http2ClientCodec;
  readonly #server: Http2ServerCodec;
  readonly asked: Side[] = [];
  readonly served: Side[] = [];
  readonly stats: readonly CountedStats[] = [new CountedStats(), new CountedStats()];
  readonly resets: Set<Side> = new Set();
  #done = 0;
  #broken: string | undefined;
  #blocked = false;

  constructor(random: Random) {
    this.#random = random;
    const onBroken = (detail: string): void => {
      this.#broken = detail;
    };
    const [clientStats, serverStats] = this.stats as [CountedStats, CountedStats];
    const now = (): number => 0;
    this.#client = new Http2ClientCodec(
      this.#options(),
      { stats: clientStats.stats, now },
      this.#up.output,
      {
        onStreamDone: () => this.#done++,
        onProtocolError: onBroken,
        onGoAway: () => {},
        onConcurrency: () => {},
      },
    );
    this.#server = new Http2ServerCodec(
      this.#options(),
      { stats: serverStats.stats, now },
      this.#down.output,
      {
        onStream: (stream) => {
          const side = new Side(random.below(150_000), () => {
            stream.sendHead(new ResponseHead(200), false);
            side.sending = true;
          });
          side.stream = stream;
          this.served.push(side);
          return side;
        },
        onProtocolError: () => {},
        onConnectionError: onBroken,
      },
    );
  }

  #options(): Http2Options {
    const window = (): number => 65_535 + this.#random.below(2) * this.#random.below(200_000);
    return {
      ...http2Defaults,
      initialStreamWindowSize: window(),
      initialConnectionWindowSize: window(),
      streamBufferLimit: 20_000,
      prematureResets: { total: 0, lifetimeMs: 0 },
    };
  }

  ask(): void {
    const side = new Side(this.#random.below(150_000));
    const stream = this.#client.newStream(side);
    side.stream = stream;
    this.asked.push(side);
    side.sending = side.toSend > 0;
    stream.sendHead(new RequestHead("POST", "/", "h", 20), !side.sending);
  }

  /** Something happens; `calm`: nobody holds anything up. */
  step(calm: boolean): void {
    const random = this.#random;
    if (random.below(2) === 0) this.#server.feed(this.#up.next(random));
    else this.#client.feed(this.#down.next(random));
    for (const side of [...this.asked, ...this.served]) {
      if (calm || random.below(8) === 0) side.setPaused(!calm && random.below(2) === 0);
      if (random.below(4) === 0) side.send(random);
    }
    if (calm ? this.#blocked : random.below(10) === 0) {
      this.#blocked = !this.#blocked;
      if (this.#blocked) this.#server.onUnwritable();
      else this.#server.onWritable();
    }
    assert.equal(this.#broken, undefined);
  }

  /** Somebody gives up. */
  abandon(): void {
    const sides = this.#random.below(2) === 0 ? this.asked : this.served;
    const side = sides[this.#random.below(sides.length)];
    if (side === undefined) return;
    side.stream?.reset("local");
    side.sending = false;
    this.resets.add(side);
  }

  get over(): boolean {
    return this.#done === this.asked.length && this.#server.active + this.#client.active === 0;
  }

  checkWhole(): void {
    const received = this.asked.map((side) => side.received).sort((a, b) => a - b);
    const sent = this.served.map((side) => side.toSend).sort((a, b) => a - b);
    assert.deepEqual(received, sent);
    for (const side of this.asked) {
      assert.equal(side.ended, true);
      assert.equal(side.trailers, side.received % 3 === 0 ? 1 : 0);
    }
    for (const side of [...this.asked, ...this.served]) assert.equal(side.reset, undefined);
  }

  checkIdle(): void {
    for (const stats of this.stats) {
      assert.equal(stats.get("streamsActive"), 0);
      assert.equal(stats.get("pendingSendBytes"), 0);
    }
  }
}

function converse(seed: number, abandoning: boolean): Conversation {
  const random = seededRandom(seed);
  const conversation = new Conversation(random);
  for (let step = 0; step < 300; step++) {
    if (step % 12 === 0) conversation.ask();
    if (abandoning && random.below(20) === 0) conversation.abandon();
    conversation.step(false);
  }
  for (let step = 0; step < 20_000 && !conversation.over; step++) conversation.step(true);
  assert.equal(conversation.over, true, "something waits for ever");
  return conversation;
}

for (let seed = 1; seed <= 12; seed++) {
  it(`every octet arrives (seed ${seed})`, () => {
    const conversation = converse(seed, false);
    conversation.checkWhole();
    conversation.checkIdle();
  });

  it(`streams given up in the midst leave nothing behind (seed ${seed})`, () => {
    converse(seed, true).checkIdle();
  });
}
