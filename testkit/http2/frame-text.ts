/** What a codec wrote, a line for each frame, as its peer understands it. */
import { Flag, FrameType } from "#http/h2/frames.ts";
import { HpackDecoder } from "#http/h2/hpack-decoder.ts";
import { type Frame, parseFrames } from "./frames.ts";

/** Decodes the frames of one connection's direction. */
export class FrameText {
  readonly #decoder: HpackDecoder = new HpackDecoder({ tableSizeMax: 4096 });
  #block: Buffer[] = [];

  lines(bytes: Uint8Array): string[] {
    return parseFrames(bytes).map((frame) => this.#line(frame));
  }

  #line(frame: Frame): string {
    const { type, flags, streamId, payload } = frame;
    const end = (flags & Flag.endStream) !== 0 ? " end" : "";
    switch (type) {
      case FrameType.data:
        return `data ${streamId} ${payload.length}${end}`;
      case FrameType.headers:
        return `headers ${streamId} ${this.#fields(frame)}${end}`;
      case FrameType.continuation:
        return `continuation ${streamId} ${this.#fields(frame)}`;
      case FrameType.rstStream:
        return `reset ${streamId} ${payload.readUInt32BE(0)}`;
      case FrameType.goAway:
        return `goaway ${payload.readUInt32BE(0)} ${payload.readUInt32BE(4)}`;
      case FrameType.windowUpdate:
        return `window ${streamId} ${payload.readUInt32BE(0)}`;
      case FrameType.ping:
        return (flags & Flag.ack) !== 0 ? "ping ack" : "ping";
      case FrameType.settings:
        return (flags & Flag.ack) !== 0 ? "settings ack" : `settings ${pairs(payload)}`;
      default:
        return `frame ${type}`;
    }
  }

  #fields({ flags, payload }: Frame): string {
    this.#block.push(payload);
    if ((flags & Flag.endHeaders) === 0) return `+${payload.length}`;
    const block = Buffer.concat(this.#block);
    this.#block = [];
    const fields: string[] = [];
    const sink = { onField: (name: string, value: string) => fields.push(`${name}=${value}`) };
    const problem = this.#decoder.decode(block, 0, block.length, sink);
    return problem ?? fields.join(" ");
  }
}

function pairs(payload: Buffer): string {
  const all: string[] = [];
  for (let at = 0; at < payload.length; at += 6)
    all.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
  return all.join(" ");
}
