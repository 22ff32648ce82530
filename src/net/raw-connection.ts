import { getSystemErrorName } from "node:util";
import { assert } from "#lib/assert.ts";
import { beginEvent, endEvent } from "#lib/clock.ts";
import type { Address } from "./address.ts";
import type {
  CloseReason,
  Connection,
  ConnectionHandler,
  GatheredOutput,
  TlsInfo,
} from "./connection.ts";
import {
  endOfFile,
  type NativeHandle,
  type NativeRequest,
  type NativeTcp,
  stream,
} from "./native.ts";

/** One buffer that every connection of the worker reads into: a chunk is used up before the next read. */
const readBuffer = new Uint8Array(Buffer.allocUnsafeSlow(128 * 1024).buffer);
const state = stream.streamBaseState;
const { kReadBytesOrError, kLastWriteWasAsync } = stream;
const { WriteWrap, ShutdownWrap } = stream;

const writeBufferSize = 128 * 1024;
/** Output is put together here, so that one event is one write. Given away when the kernel does not take it all at once. */
let writeBuffer = newWriteBuffer();
/** A write that the kernel takes at once leaves its request object unused: one serves all. */
let spareRequest: NativeRequest = new WriteWrap();

/** `latin1Write` is what `write(…, "latin1")` comes down to, without its argument checks; the type definitions leave it out. */
type Latin1Buffer = Buffer & { latin1Write(text: string, offset: number, length: number): number };

function newWriteBuffer(): Latin1Buffer {
  return Buffer.allocUnsafeSlow(writeBufferSize) as Latin1Buffer;
}

/** What waits behind a write is copied into slabs that are used again: fresh memory for each would keep the collector busy. */
const slabSize = 128 * 1024;
const spareSlabs: Uint8Array[] = [];
let slabsInUse = 0;
/** Spare slabs that are kept however few are in use. */
const spareSlabsMin = 128;
/** Less than this is not worth a slab of its own. */
const slabbedMin = 16 * 1024;

function takeSlab(): Uint8Array {
  slabsInUse++;
  return spareSlabs.pop() ?? Buffer.allocUnsafeSlow(slabSize);
}

/** Under load as many stay as may be needed again; when it is over, few do. */
function giveSlab(slab: Uint8Array): void {
  slabsInUse--;
  const max = Math.max(spareSlabsMin, 4 * slabsInUse);
  if (spareSlabs.length < max) spareSlabs.push(slab);
  else spareSlabs.length = max;
}

let lastId = 0;
let depth = 0;
let dirty: RawConnection[] = [];
/** Those that gather: many streams share one of them, so it waits until all events of this turn of the loop have had their say. */
let gathering: RawConnection[] = [];

function enter(): void {
  if (depth++ === 0) beginEvent();
}

function leave(): void {
  if (--depth > 0) return;
  if (dirty.length > 0) flushDirty();
  endEvent();
}

function flushDirty(): void {
  // Flushing may make more connections dirty (a handler told that it may write): go on until none is.
  for (let i = 0; i < dirty.length; i++) dirty[i]?.flush();
  dirty = [];
}

/** Run work that did not begin with a socket event (timers, messages) so that its writes leave together. */
export function dispatch(work: () => void): void {
  enter();
  try {
    work();
  } finally {
    leave();
  }
}

const noHandler: ConnectionHandler = {
  onData: () => {},
  onEnd: () => {},
  onUnwritable: () => {},
  onWritable: () => {},
  onClose: () => {},
};

function onRead(this: NativeHandle): void {
  const count = state[kReadBytesOrError] as number;
  const connection = this.owner as RawConnection;
  enter();
  try {
    if (count > 0) connection.onChunk(readBuffer.subarray(0, count));
    else if (count < 0) connection.onReadError(count);
  } finally {
    leave();
  }
}

/** A TCP or Unix socket; `TlsConnection` is one whose handle encrypts. */
export class RawConnection implements Connection {
  readonly id: number;
  handler: ConnectionHandler = noHandler;
  readonly local: Address;
  readonly remote: Address;
  bytesReceived = 0;
  bytesSent = 0;
  closed = false;
  bufferLimit: number = 1024 * 1024;
  readonly #handle: NativeHandle;
  /** Written and not yet given to the kernel. */
  #pieces: (string | Uint8Array)[] = [];
  #piecesSize = 0;
  /** A write the kernel did not take at once; bytes of it may be unsent. */
  #writing = false;
  #writingSize = 0;
  #dirty = false;
  #source: GatheredOutput | undefined;
  #unwritable = false;
  #started = false;
  #paused = 0;
  #ending: "no" | "shutdown" | "close" = "no";
  #shutdownSent = false;
  #ended = false;
  #slabs: Uint8Array[] | undefined;
  #slabUsed = 0;
  /** The handle copies what it is given, so that one buffer serves all writes. */
  readonly #copies: boolean;

  /** `under`: the connection that this one takes the place of. */
  constructor(handle: NativeHandle, local: Address, remote: Address, under?: RawConnection) {
    this.id = under === undefined ? ++lastId : under.id;
    this.#copies = under !== undefined;
    this.#handle = handle;
    this.local = local;
    this.remote = remote;
    handle.owner = this;
    handle.onread = onRead;
    handle.useUserBuffer(readBuffer);
  }

  get tls(): TlsInfo | undefined {
    return undefined;
  }

  /** For socket options that the runtime does not offer. */
  get fileDescriptor(): number {
    return this.#handle.fd;
  }

  get unsent(): number {
    return this.#piecesSize + this.#writingSize;
  }

  /** Begin to read. Until then nothing is lost: bytes wait in the kernel. */
  start(): void {
    this.#started = true;
    if (this.#paused === 0) this.#handle.readStart();
  }

  /** Give the socket to another connection; this one says no more. */
  handOver(): NativeHandle {
    assert(!this.closed && this.unsent === 0, "a connection is handed over open and flushed");
    this.closed = true;
    this.#handle.readStop();
    return this.#handle;
  }

  protected get paused(): boolean {
    return this.#paused > 0;
  }

  protected get shutdownSent(): boolean {
    return this.#shutdownSent;
  }

  onChunk(chunk: Uint8Array): void {
    this.bytesReceived += chunk.length;
    this.handler.onData(chunk);
  }

  onReadError(error: number): void {
    if (this.closed || this.#ended) return;
    if (error !== endOfFile) {
      this.#finish(brokenBy(error), false);
      return;
    }
    this.#handle.readStop();
    this.#ended = true;
    this.handler.onEnd();
  }

  write(chunk: Uint8Array): boolean {
    if (this.closed || this.#ending !== "no" || chunk.length === 0) return !this.#unwritable;
    // While a write waits for the kernel, what comes after it outlives this event and must be copied.
    this.#pieces.push(this.#writing ? this.#copy(chunk) : chunk);
    return this.#wrote(chunk.length);
  }

  #copy(chunk: Uint8Array): Uint8Array {
    const size = chunk.length;
    if (size < slabbedMin || size > slabSize) return new Uint8Array(chunk);
    this.#slabs ??= [];
    let slab = this.#slabs.at(-1);
    if (slab === undefined || this.#slabUsed + size > slabSize) {
      slab = takeSlab();
      this.#slabs.push(slab);
      this.#slabUsed = 0;
    }
    const at = this.#slabUsed;
    this.#slabUsed += size;
    slab.set(chunk, at);
    return slab.subarray(at, at + size);
  }

  /** Nothing waits any more. */
  #releaseSlabs(): void {
    for (const slab of this.#slabs ?? []) giveSlab(slab);
    this.#slabs = undefined;
  }

  writeText(text: string): boolean {
    if (this.closed || this.#ending !== "no" || text.length === 0) return !this.#unwritable;
    this.#pieces.push(text);
    return this.#wrote(text.length);
  }

  gather(source: GatheredOutput): void {
    if (this.closed || this.#source !== undefined) return;
    this.#source = source;
    if (gathering.push(this) === 1) setImmediate(flushGathering);
  }

  flushGathered(): void {
    if (this.#source !== undefined) this.flush();
  }

  #wrote(size: number): boolean {
    this.#piecesSize += size;
    if (!this.#writing && !this.#dirty) this.#markDirty();
    if (this.#writing && !this.#unwritable && this.unsent > this.bufferLimit) {
      this.#unwritable = true;
      this.handler.onUnwritable();
    }
    return !this.#unwritable;
  }

  #markDirty(): void {
    this.#dirty = true;
    dirty.push(this);
    if (depth === 0 && dirty.length === 1) process.nextTick(flushOutsideEvents);
  }

  /** `owned`: the pieces were copied when they were written. */
  flush(owned = false): void {
    // What it hands on may make it say more: that leaves too.
    while (this.#source !== undefined && !owned) {
      const source = this.#source;
      this.#source = undefined;
      source.onGather();
    }
    this.#dirty = false;
    if (this.closed || this.#writing) return;
    const error = this.#writePieces(owned);
    if (this.#slabs !== undefined && this.#pieces.length === 0) this.#releaseSlabs();
    if (error !== 0) {
      this.#finish(brokenBy(error), false);
      return;
    }
    if (this.#writing) this.#overLimit();
    else if (this.#ending !== "no") this.#end();
  }

  #overLimit(): void {
    if (this.#unwritable || this.unsent <= this.bufferLimit) return;
    this.#unwritable = true;
    this.handler.onUnwritable();
  }

  /** Returns 0 or a negative errno. */
  #writePieces(owned: boolean): number {
    const pieces = this.#pieces;
    if (pieces.length === 0) return 0;
    this.#pieces = [];
    this.#piecesSize = 0;
    let offset = 0;
    for (let i = 0; i < pieces.length; i++) {
      let piece = pieces[i] as string | Uint8Array;
      while (piece.length > 0) {
        if (offset === 0 && this.#copies && isLarge(piece))
          return this.#writeAway(piece, pieces.slice(i + 1), owned);
        const room = Math.min(piece.length, writeBufferSize - offset);
        if (typeof piece === "string") writeBuffer.latin1Write(piece, offset, room);
        else writeBuffer.set(room === piece.length ? piece : piece.subarray(0, room), offset);
        offset += room;
        piece = typeof piece === "string" ? piece.slice(room) : piece.subarray(room);
        if (offset < writeBufferSize) continue;
        const error = this.#writeOut(offset);
        offset = 0;
        if (error !== 0) return error;
        if (this.#writing) {
          this.#keep(piece, pieces.slice(i + 1), owned);
          return 0;
        }
      }
    }
    return offset === 0 ? 0 : this.#writeOut(offset);
  }

  /** Straight from the caller's memory, which the handle copies; the rest waits. */
  #writeAway(piece: Uint8Array, pieces: (string | Uint8Array)[], owned: boolean): number {
    const part = piece.subarray(0, writeBufferSize);
    const error = this.#submit(part);
    if (error === 0) this.#keep(piece.subarray(part.length), pieces, owned);
    return error;
  }

  #writeOut(size: number): number {
    const chunk = writeBuffer.subarray(0, size);
    if (this.#copies) return this.#submit(chunk);
    const error = this.#handle.writeBuffer(spareRequest, chunk);
    if (error !== 0) return error;
    this.bytesSent += size;
    if (state[kLastWriteWasAsync] === 0) return 0;
    const request = spareRequest;
    spareRequest = new WriteWrap();
    // libuv still reads from the old one.
    request.buffer = writeBuffer;
    writeBuffer = newWriteBuffer();
    this.#writing = true;
    this.#writingSize = size;
    request.oncomplete = (status) => this.#writeDone(status);
    return 0;
  }

  /** To a handle that copies. A TLS handle completes every write later, except one that fails: that may be before it returns. */
  #submit(chunk: Uint8Array): number {
    const request = new WriteWrap();
    let early: number | undefined;
    request.oncomplete = (status) => {
      early = status;
    };
    const error = this.#handle.writeBuffer(request, chunk);
    if (error !== 0) return error;
    this.bytesSent += chunk.length;
    if (early !== undefined && early !== 0) return early;
    this.#writing = true;
    this.#writingSize = chunk.length;
    if (early === undefined) request.oncomplete = (status) => this.#writeDone(status);
    else setImmediate(() => this.#writeDone(0));
    return 0;
  }

  #keep(rest: string | Uint8Array, pieces: (string | Uint8Array)[], owned: boolean): void {
    if (rest.length > 0) pieces.unshift(rest);
    this.#pieces = pieces;
    for (const [i, piece] of pieces.entries()) {
      this.#piecesSize += piece.length;
      if (!owned && typeof piece !== "string") pieces[i] = this.#copy(piece);
    }
  }

  #writeDone(status: number): void {
    this.#writing = false;
    this.#writingSize = 0;
    if (this.closed) return;
    enter();
    try {
      if (status < 0) {
        this.#finish(brokenBy(status), false);
        return;
      }
      this.flush(true);
      if (this.closed || !this.#unwritable || this.unsent > this.bufferLimit / 2) return;
      this.#unwritable = false;
      this.handler.onWritable();
    } finally {
      leave();
    }
  }

  pause(): void {
    if (this.#paused++ === 0 && !this.closed && !this.#ended) this.#handle.readStop();
  }

  resume(): void {
    assert(this.#paused > 0, "a connection is resumed as often as it is paused");
    if (--this.#paused === 0 && this.#started && !this.closed && !this.#ended)
      this.#handle.readStart();
  }

  shutdown(): void {
    if (this.closed || this.#ending !== "no") return;
    if (this.#source !== undefined) this.flush();
    this.#ending = "shutdown";
    if (!this.#writing && this.#pieces.length === 0) this.#end();
  }

  closeAfterFlush(): void {
    if (this.closed || this.#ending === "close") return;
    if (this.#source !== undefined) this.flush();
    this.#ending = "close";
    if (!this.#writing && this.#pieces.length === 0) this.#end();
  }

  #end(): void {
    if (this.#ending === "close") {
      this.destroy();
      return;
    }
    if (this.#shutdownSent) return;
    this.#shutdownSent = true;
    const request = new ShutdownWrap();
    request.oncomplete = () => {};
    this.#handle.shutdown(request);
  }

  destroy(reset = false): void {
    if (!this.closed) this.#finish({ kind: "local", detail: "" }, reset);
  }

  #finish(reason: CloseReason, reset: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.#pieces = [];
    this.#piecesSize = 0;
    if (this.#slabs !== undefined) this.#releaseSlabs();
    this.closeHandle(reset);
    this.handler.onClose(reason);
  }

  protected closeHandle(reset: boolean): void {
    const handle = this.#handle;
    if (reset && "reset" in handle && !this.#shutdownSent) (handle as NativeTcp).reset();
    else handle.close();
  }

  /** End with a reason other than our own wish. */
  protected fail(detail: string): void {
    this.#finish({ kind: "error", detail }, false);
  }
}

function isLarge(piece: string | Uint8Array): piece is Uint8Array {
  return typeof piece !== "string" && piece.length >= slabbedMin;
}

/** ECONNRESET and, on a write, EPIPE are the peer's doing. */
function brokenBy(error: number): CloseReason {
  const remote = error === -104 || error === -32;
  return { kind: remote ? "remote-reset" : "error", detail: getSystemErrorName(error) };
}

function flushGathering(): void {
  const connections = gathering;
  gathering = [];
  dispatch(() => {
    for (const connection of connections) connection.flushGathered();
  });
}

function flushOutsideEvents(): void {
  if (dirty.length > 0) dispatch(flushDirty);
}
