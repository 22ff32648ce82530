import type { HeaderList } from "../headers.ts";
import {
  FieldSection,
  type Http1Limits,
  hasForbiddenByte,
  type LenientParsing,
  laxSectionEnd,
  parseFields,
  relax,
  type SectionEnd,
} from "./fields.ts";
import { latin1 } from "./latin1.ts";

export interface ChunkedEvents {
  onChunkData(chunk: Uint8Array): void;
  /** The last chunk and its trailers have been read; undefined: no trailers. */
  onChunkedEnd(trailers: HeaderList | undefined): void;
}

/** Why a chunked body is refused. */
export type ChunkedProblem =
  | "size"
  | "extension"
  | "data-end"
  | "trailers"
  | "trailers-too-large"
  | "too-many-trailers";

const State = {
  size: 0,
  extension: 1,
  sizeEnd: 2,
  data: 3,
  dataEnd: 4,
  dataEndLf: 5,
  trailers: 6,
  done: 7,
  sizeBlank: 8,
} as const;
const sizeDigitsMax = 16;
/** RFC 9112 §7.1.1 asks for a limit on the total of extensions in a body. */
const extensionBytesMax = 16 * 1024;

/** A chunked body (RFC 9112 §7.1), cut anywhere. One object per connection, `reset` for each body. */
export class ChunkedDecoder {
  readonly #limits: Http1Limits;
  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerText = "";
  problem: ChunkedProblem | undefined = undefined;

  constructor(limits: Http1Limits) {
    this.#limits = limits;
  }

  get done(): boolean {
    return this.#state === State.done;
  }

  reset(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailerText = "";
    this.problem = undefined;
  }

  /** Returns how many bytes were used: fewer than given when the body ended or is refused (`problem`). */
  feed(bytes: Uint8Array, start: number, events: ChunkedEvents): number {
    let at = start;
    while (at < bytes.length && this.problem === undefined && this.#state !== State.done) {
      if (this.#state === State.data) at = this.#feedData(bytes, at, events);
      else if (this.#state === State.trailers) at = this.#feedTrailers(bytes, at, events);
      else this.#feedByte(bytes[at++] as number);
    }
    return at - start;
  }

  #feedData(bytes: Uint8Array, at: number, events: ChunkedEvents): number {
    const count = Math.min(this.#size, bytes.length - at);
    this.#size -= count;
    if (this.#size === 0) this.#state = State.dataEnd;
    events.onChunkData(bytes.subarray(at, at + count));
    return at + count;
  }

  #feedByte(byte: number): void {
    switch (this.#state) {
      case State.size:
        this.#feedSize(byte);
        return;
      case State.extension:
        this.#feedExtension(byte);
        return;
      case State.sizeBlank:
        this.#endSize(byte);
        return;
      case State.sizeEnd:
        if (byte !== 0x0a) this.problem = "size";
        else this.#state = this.#size === 0 ? State.trailers : State.data;
        this.#digits = 0;
        return;
      case State.dataEnd:
        if (byte === 0x0d) this.#state = State.dataEndLf;
        else if (this.#limits.lenient?.bareLf === true && byte === 0x0a) this.#startSize();
        else if (this.#limits.lenient?.chunkJunk !== true) this.problem = "data-end";
        return;
      default:
        if (byte === 0x0a) this.#startSize();
        else this.problem = "data-end";
    }
  }

  #startSize(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
  }

  #feedSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      const leadingZero =
        digit === 0 && this.#size === 0 && this.#limits.lenient?.chunkSize === true;
      if (++this.#digits > sizeDigitsMax && !leadingZero) this.problem = "size";
      else if (leadingZero) this.#digits = 1;
      this.#size = this.#size * 16 + digit;
      // RFC 9112 §7.1: a recipient must guard against sizes it cannot represent.
      if (this.#size > Number.MAX_SAFE_INTEGER) this.problem = "size";
      return;
    }
    if (this.#digits === 0) this.problem = "size";
    else this.#endSize(byte);
  }

  #endSize(byte: number): void {
    if (byte === 0x0d) this.#state = State.sizeEnd;
    else if (byte === 0x3b /* ; */) this.#state = State.extension;
    else if ((byte === 0x20 || byte === 0x09) && this.#limits.lenient?.chunkSize === true)
      this.#state = State.sizeBlank;
    else this.problem = "size";
  }

  #feedExtension(byte: number): void {
    if (byte === 0x0d) {
      this.#state = State.sizeEnd;
      return;
    }
    if (this.#limits.lenient?.chunkExtension === true) {
      if (byte === 0x0a) this.problem = "extension";
      return;
    }
    const control = (byte < 0x20 && byte !== 0x09) || byte === 0x7f;
    if (++this.#extensionBytes > extensionBytesMax || control) this.problem = "extension";
  }

  #feedTrailers(bytes: Uint8Array, at: number, events: ChunkedEvents): number {
    // The usual end: an empty line right behind the last chunk.
    if (this.#trailerText === "" && bytes[at] === 0x0d && bytes[at + 1] === 0x0a) {
      this.#state = State.done;
      events.onChunkedEnd(undefined);
      return at + 2;
    }
    const room = this.#limits.headBytesMax + 4 - this.#trailerText.length;
    const before = this.#trailerText.length;
    const text = this.#trailerText + latin1(bytes, at, Math.min(bytes.length, at + room));
    const end = trailersEnd(text, this.#limits.lenient);
    if (end.at === -1) {
      this.#trailerText = text;
      // Three more bytes may be the begin of the section's end.
      if (text.length > this.#limits.headBytesMax + 3) this.problem = "trailers-too-large";
      return at + text.length - before;
    }
    this.#endTrailers(text.slice(0, end.at), events);
    return at + end.at + end.length - before;
  }

  #endTrailers(raw: string, events: ChunkedEvents): void {
    const lenient = this.#limits.lenient;
    const text = lenient === undefined ? raw : relax(raw, lenient);
    const fields = new FieldSection();
    const problem = hasForbiddenByte(text)
      ? "syntax"
      : parseFields(text, 0, text.length, this.#limits.fieldsMax, fields);
    if (problem !== undefined) {
      this.problem = problem === "too-many-fields" ? "too-many-trailers" : "trailers";
      return;
    }
    this.#state = State.done;
    // Framing and connection fields have no meaning in trailers (RFC 9110 §6.5.1); most of them the parser has set apart.
    fields.headers.remove("content-length");
    events.onChunkedEnd(fields.headers.count > 0 ? fields.headers : undefined);
  }
}

function trailersEnd(text: string, lenient: LenientParsing | undefined): SectionEnd {
  if (text.startsWith("\r\n")) return { at: 0, length: 2 };
  if (lenient?.bareLf === true)
    return text.startsWith("\n") ? { at: 0, length: 1 } : laxSectionEnd(text);
  return { at: text.indexOf("\r\n\r\n"), length: 4 };
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
