/** One side of an HTTP/2 connection by hand: sends the frames it is told to, and keeps what came by stream. */
import { Flag, FrameType, frameHeadSize } from "#http/h2/frames.ts";
import { HpackDecoder } from "#http/h2/hpack-decoder.ts";
import type { Script } from "../fake-upstream.ts";
import type { Wire } from "../wire.ts";
import {
  clientBegin,
  data,
  type Frame,
  headers,
  literals,
  parseFrames,
  settings,
  settingsAck,
  windowUpdate,
} from "./frames.ts";
import type { Field } from "./header-stories.ts";

/** What came on one stream. */
export interface ReceivedStream {
  readonly id: number;
  /** Field sections in their order, `name: value` each: informational heads, head, trailers. */
  readonly sections: string[][];
  body: string;
  /** "end", "reset CODE", or "closed" with its connection. */
  end: string | undefined;
}

export interface PeerOptions {
  /** SETTINGS pairs to begin with. */
  readonly settings?: readonly (readonly [number, number])[];
  /** No WINDOW_UPDATE for what comes. */
  readonly holdsWindow?: boolean;
  /** No answer to PING. */
  readonly deaf?: boolean;
}

export class FramePeer {
  readonly wire: Wire;
  readonly streams: Map<number, ReceivedStream> = new Map();
  /** `LAST CODE` of each GOAWAY. */
  readonly goAways: string[] = [];
  /** SETTINGS and their values. */
  readonly settings: Map<number, number> = new Map();
  /** PINGs that were no answers. */
  pings = 0;
  /** Called when a head is there, with each DATA frame, and when the peer has ended its side of a stream. */
  onHead: (stream: ReceivedStream, peer: FramePeer) => void = () => {};
  onData: (stream: ReceivedStream, peer: FramePeer, payload: Buffer) => void = () => {};
  onEnd: (stream: ReceivedStream, peer: FramePeer) => void = () => {};
  readonly #options: PeerOptions;
  readonly #decoder: HpackDecoder = new HpackDecoder({ tableSizeMax: 4096 });
  #at: number;
  #block: Buffer[] = [];
  #blockEnds = false;

  constructor(
    wire: Wire,
    role: "client" | "server",
    options: PeerOptions = {},
    handlers: PeerHandlers = {},
  ) {
    this.wire = wire;
    Object.assign(this, handlers);
    this.#options = options;
    // A client's preface has 24 octets.
    this.#at = role === "server" ? 24 : 0;
    const first = settings(options.settings ?? []);
    this.send(role === "client" ? Buffer.concat([clientBegin.subarray(0, 24), first]) : first);
    wire.socket.on("data", () => this.#read());
    this.#read();
  }

  send(...frames: readonly Uint8Array[]): void {
    this.wire.socket.write(Buffer.concat(frames));
  }

  /** A head, with a body and trailers where they are given. */
  message(
    id: number,
    head: readonly Field[],
    { body, trailers, end = true }: MessageOptions = {},
  ): void {
    const frames = [headers(id, literals(head), { end: end && body === undefined && !trailers })];
    if (body !== undefined) frames.push(data(id, body, end && trailers === undefined));
    if (trailers !== undefined) frames.push(headers(id, literals(trailers), { end: true }));
    this.send(...frames);
  }

  /** Waits until `look` is satisfied with what came. */
  until<T>(what: string, look: (peer: this) => T | undefined): Promise<T> {
    return this.wire.until(what, () => look(this));
  }

  /** The stream with its first field section. */
  head(id: number): Promise<ReceivedStream> {
    return this.until(`head of stream ${id}`, () => {
      const stream = this.streams.get(id);
      return stream !== undefined && stream.sections.length > 0 ? stream : undefined;
    });
  }

  /** The stream when it is over, or its connection is. */
  whole(id: number): Promise<ReceivedStream> {
    return this.until(`end of stream ${id}`, ({ wire }) => {
      const stream = this.streams.get(id);
      if (stream?.end !== undefined) return stream;
      if (wire.state === "open") return undefined;
      return Object.assign(this.#stream(id), { end: "closed" });
    });
  }

  goAway(): Promise<string> {
    return this.until("GOAWAY", () => this.goAways[0]);
  }

  #read(): void {
    const bytes = Buffer.from(this.wire.received.slice(this.#at), "latin1");
    let end = 0;
    if (this.wire.received.length < this.#at) return;
    while (end + frameHeadSize <= bytes.length) {
      const next = end + frameHeadSize + bytes.readUIntBE(end, 3);
      if (next > bytes.length) break;
      end = next;
    }
    this.#at += end;
    for (const frame of parseFrames(bytes.subarray(0, end))) this.#onFrame(frame);
  }

  #onFrame(frame: Frame): void {
    const { type, flags, streamId, payload } = frame;
    const isAck = (flags & Flag.ack) !== 0;
    if (type === FrameType.headers || type === FrameType.continuation) this.#onBlock(frame);
    else if (type === FrameType.data) this.#onData(frame);
    else if (type === FrameType.rstStream) this.#stream(streamId).end = `reset ${code(payload, 0)}`;
    else if (type === FrameType.goAway)
      this.goAways.push(`${code(payload, 0)} ${code(payload, 4)}`);
    else if (type === FrameType.settings && !isAck) {
      for (let at = 0; at < payload.length; at += 6)
        this.settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
      this.send(settingsAck);
    } else if (type === FrameType.ping && !isAck) {
      this.pings++;
      if (this.#options.deaf === true) return;
      const answer = Buffer.concat([Buffer.from([0, 0, 8, 6, 1, 0, 0, 0, 0]), payload]);
      this.send(answer);
    }
  }

  #stream(id: number): ReceivedStream {
    let stream = this.streams.get(id);
    if (stream === undefined) {
      stream = { id, sections: [], body: "", end: undefined };
      this.streams.set(id, stream);
    }
    return stream;
  }

  #onBlock({ type, flags, streamId, payload }: Frame): void {
    if (type === FrameType.headers) this.#blockEnds = (flags & Flag.endStream) !== 0;
    this.#block.push(payload);
    if ((flags & Flag.endHeaders) === 0) return;
    const block = Buffer.concat(this.#block);
    this.#block = [];
    const fields: string[] = [];
    this.#decoder.decode(block, 0, block.length, {
      onField: (name, value) => fields.push(`${name}: ${value}`),
    });
    const stream = this.#stream(streamId);
    stream.sections.push(comparable(fields));
    if (stream.sections.length === 1) this.onHead(stream, this);
    if (this.#blockEnds) this.#onStreamEnd(stream);
  }

  #onData({ flags, streamId, payload }: Frame): void {
    const stream = this.#stream(streamId);
    stream.body += payload.toString("latin1");
    const ends = (flags & Flag.endStream) !== 0;
    if (this.#options.holdsWindow !== true && payload.length > 0) {
      this.send(windowUpdate(0, payload.length));
      if (!ends) this.send(windowUpdate(streamId, payload.length));
    }
    this.onData(stream, this, payload);
    if (ends) this.#onStreamEnd(stream);
  }

  /** The stream when this much of its body is there. */
  body(id: number, text: string): Promise<ReceivedStream> {
    return this.until(`${text} on stream ${id}`, () => {
      const stream = this.streams.get(id);
      return stream?.body.includes(text) === true ? stream : undefined;
    });
  }

  #onStreamEnd(stream: ReceivedStream): void {
    stream.end = "end";
    this.onEnd(stream, this);
  }
}

export interface MessageOptions {
  readonly body?: string | Uint8Array;
  readonly trailers?: readonly Field[];
  /** False: more will follow. */
  readonly end?: boolean;
}

function code(payload: Buffer, at: number): number {
  return payload.readUInt32BE(at);
}

/** Sorted, but for fields of one name, and without what differs from run to run or is the same in every one. */
export function comparable(fields: readonly string[]): string[] {
  const name = (field: string): string => field.slice(0, field.indexOf(":", 1));
  return fields
    .filter((field) => !volatile.test(field))
    .sort((one, other) => (name(one) < name(other) ? -1 : name(one) > name(other) ? 1 : 0));
}

const volatile: RegExp =
  /^(x-request-id|x-envoy-expected-rq-timeout-ms|date|server|x-envoy-upstream-service-time): /;

type PeerHandlers = Partial<Pick<FramePeer, "onHead" | "onData" | "onEnd">>;

const peers = new WeakMap<object, FramePeer>();

/** An upstream of frames; `onHead` and `onEnd` as in the peer. */
export function frameUpstream(handlers: PeerHandlers = {}, options: PeerOptions = {}): Script {
  return (connection) => {
    peers.set(connection, new FramePeer(connection, "server", options, handlers));
  };
}

/** The peer that serves this connection of an upstream. */
export function framePeerOf(connection: object): FramePeer {
  const peer = peers.get(connection);
  if (peer === undefined) throw new Error("not a connection of a frame upstream");
  return peer;
}

/** An upstream of frames for clients that begin as HTTP/2 does, and another for the rest. */
export function eitherUpstream(frames: Script, text: Script): Script {
  return async (connection, index, upstream) => {
    const isHttp2 = await connection.until("first bytes", ({ received }) =>
      received.length < 3 ? undefined : received.startsWith("PRI"),
    );
    await (isHttp2 ? frames : text)(connection, index, upstream);
  };
}

/** Answers whole requests. */
export function answerFrames(head: readonly Field[], options: MessageOptions = {}): Script {
  return frameUpstream({ onEnd: ({ id }, peer) => peer.message(id, head, options) });
}
