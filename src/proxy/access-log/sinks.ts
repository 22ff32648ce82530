import fs from "node:fs";
import type { Clock } from "#lib/clock.ts";
import { refuse } from "#lib/config-error.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";

/** Where access log lines go. One sink per path in a worker; lines are gathered and written together. */
export interface AccessLogSink {
  /** `line` ends with a newline. Never blocks; counts what a full buffer drops. */
  write(line: string): void;
}

export interface AccessLogSinks {
  file(path: string): AccessLogSink;
  readonly stdout: AccessLogSink;
  readonly stderr: AccessLogSink;
  /** SIGUSR1 and /reopen_logs. */
  reopen(): void;
  /** Everything written so far is with the kernel. */
  flush(): void;
}

export interface AccessLogSinkOptions {
  readonly clock: Clock;
  /** The root scope: counts are `filesystem.…`, as in Envoy. */
  readonly stats: StatsScope;
  /** --file-flush-interval-msec; Envoy's default is 10 s. */
  readonly flushIntervalMs: number;
  /** --file-flush-min-size-kb × 1024; Envoy's default is 64 KiB. */
  readonly flushBytesMin: number;
  /** Bytes that wait for a slow disk at most, per file; lines beyond are dropped and counted. */
  readonly bufferedBytesMax?: number;
  /** Told once when a file takes no more lines, and once when it does again. */
  readonly log: (level: "warn" | "info", message: string) => void;
}

const bufferedBytesDefault = 16 * 1024 * 1024;

/** Sinks of one worker. Files are opened in append mode, so workers share them without mixing up lines. */
export function createAccessLogSinks(options: AccessLogSinkOptions): AccessLogSinks {
  const counts = new FileCounts(options.stats);
  const open = new Map<string, BufferedFile>();
  const file = (path: string): BufferedFile => {
    let sink = open.get(path);
    if (sink === undefined) {
      sink = new BufferedFile(path, options, counts);
      open.set(path, sink);
    }
    return sink;
  };
  return {
    file,
    get stdout() {
      return file("/dev/stdout");
    },
    get stderr() {
      return file("/dev/stderr");
    },
    reopen() {
      for (const sink of open.values()) sink.reopen();
    },
    flush() {
      for (const sink of open.values()) sink.flush();
    },
  };
}

class FileCounts {
  readonly writeBuffered: Counter;
  readonly writeCompleted: Counter;
  readonly writeFailed: Counter;
  readonly writeDropped: Counter;
  readonly flushedByTimer: Counter;
  readonly reopenFailed: Counter;
  readonly bufferedBytes: Gauge;

  constructor(stats: StatsScope) {
    this.writeBuffered = stats.counter("filesystem.write_buffered");
    this.writeCompleted = stats.counter("filesystem.write_completed");
    this.writeFailed = stats.counter("filesystem.write_failed");
    this.writeDropped = stats.counter("filesystem.write_dropped");
    this.flushedByTimer = stats.counter("filesystem.flushed_by_timer");
    this.reopenFailed = stats.counter("filesystem.reopen_failed");
    this.bufferedBytes = stats.gauge("filesystem.write_total_buffered");
  }
}

/**
 * Lines are joined in memory and written by the thread pool, one write at a time, so order is kept and no request waits. One write
 * holds whole lines: with O_APPEND the kernel does not interleave it with another worker's.
 */
class BufferedFile implements AccessLogSink {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #flushIntervalMs: number;
  readonly #flushBytesMin: number;
  readonly #bytesMax: number;
  readonly #counts: FileCounts;
  readonly #log: AccessLogSinkOptions["log"];
  #descriptor: number;
  #failing = false;
  #pending = "";
  #writing: Buffer | undefined;
  /** Bytes of `#writing` that the kernel has. */
  #written = 0;
  #timer: { cancel(): void } | undefined;
  #reopen = false;

  constructor(path: string, options: AccessLogSinkOptions, counts: FileCounts) {
    this.#path = path;
    this.#clock = options.clock;
    this.#flushIntervalMs = options.flushIntervalMs;
    this.#flushBytesMin = options.flushBytesMin;
    this.#bytesMax = options.bufferedBytesMax ?? bufferedBytesDefault;
    this.#counts = counts;
    this.#log = options.log;
    this.#descriptor = openFile(path);
  }

  write(line: string): void {
    const waiting = this.#pending.length + (this.#writing?.length ?? 0);
    if (waiting + line.length > this.#bytesMax) {
      this.#counts.writeDropped.inc();
      return;
    }
    this.#pending += line;
    this.#counts.writeBuffered.inc();
    this.#counts.bufferedBytes.add(line.length);
    if (this.#pending.length >= this.#flushBytesMin) this.#start();
    else this.#timer ??= this.#clock.after(this.#flushIntervalMs, () => this.#onTimer());
  }

  /** Before the next write, so that a line is never torn between the old file and the new one. */
  reopen(): void {
    this.#reopen = true;
    if (this.#writing === undefined) this.#openAgain();
  }

  /** For exit: what the thread pool still has in hand may be written twice in part, never lost. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    // A write in flight completes by itself: the process joins the thread pool's work before it ends.
    if (this.#pending === "") return;
    const bytes = Buffer.from(this.#pending, "latin1");
    this.#pending = "";
    try {
      let at = 0;
      while (at < bytes.length) at += fs.writeSync(this.#descriptor, bytes, at);
      this.#onSuccess();
    } catch (error) {
      this.#onFailure(error);
    }
    this.#counts.bufferedBytes.add(-bytes.length);
  }

  #onTimer(): void {
    this.#timer = undefined;
    this.#counts.flushedByTimer.inc();
    this.#start();
  }

  #start(): void {
    if (this.#writing !== undefined || this.#pending === "") return;
    this.#timer?.cancel();
    this.#timer = undefined;
    // Header values are bytes, one a character: latin1 puts out what came in.
    this.#writing = Buffer.from(this.#pending, "latin1");
    this.#pending = "";
    this.#written = 0;
    this.#continue(this.#writing);
  }

  #continue(bytes: Buffer): void {
    fs.write(
      this.#descriptor,
      bytes,
      this.#written,
      bytes.length - this.#written,
      null,
      (error, count) => {
        if (error === null) {
          this.#written += count;
          if (this.#written < bytes.length) return this.#continue(bytes);
          this.#onSuccess();
        } else this.#onFailure(error);
        this.#onWritten(bytes.length);
      },
    );
  }

  #onSuccess(): void {
    this.#counts.writeCompleted.inc();
    if (!this.#failing) return;
    this.#failing = false;
    this.#log("info", `access log ${this.#path} is written again`);
  }

  #onFailure(error: unknown): void {
    this.#counts.writeFailed.inc();
    if (this.#failing) return;
    this.#failing = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#log("warn", `access log ${this.#path} cannot be written, its lines are lost: ${reason}`);
  }

  #onWritten(bytes: number): void {
    this.#writing = undefined;
    this.#counts.bufferedBytes.add(-bytes);
    if (this.#reopen) this.#openAgain();
    if (this.#pending.length >= this.#flushBytesMin) this.#start();
    else if (this.#pending !== "") {
      this.#timer ??= this.#clock.after(this.#flushIntervalMs, () => this.#onTimer());
    }
  }

  #openAgain(): void {
    this.#reopen = false;
    if (this.#descriptor <= 2) return;
    try {
      const fresh = fs.openSync(this.#path, "a");
      fs.closeSync(this.#descriptor);
      this.#descriptor = fresh;
    } catch {
      // The old file still takes lines, which is better than losing them.
      this.#counts.reopenFailed.inc();
    }
  }
}

function openFile(path: string): number {
  // Opening /dev/stdout again would truncate or need rights of its own; the descriptor is there.
  if (path === "/dev/stdout") return 1;
  if (path === "/dev/stderr") return 2;
  try {
    return fs.openSync(path, "a");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refuse("path", `unable to open file '${path}': ${reason}`);
  }
}
