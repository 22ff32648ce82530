import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Clock } from "#lib/clock.ts";
import type { StatsScope } from "../stats/stats.ts";
import { type AccessLogSinks, createAccessLogSinks } from "./sinks.ts";

let folder = "";
let counts: Map<string, number>;
/** Timers that wait; a test fires them. */
let timers: (() => void)[];
let told: string[];

const clock: Clock = {
  wallMs: () => 0,
  monotonicMs: () => 0,
  after: (_, callback) => {
    timers.push(callback);
    return { cancel: () => void timers.splice(timers.indexOf(callback), 1) };
  },
};

function stat(name: string) {
  const add = (n: number): void => void counts.set(name, (counts.get(name) ?? 0) + n);
  return {
    name,
    inc: () => add(1),
    dec: () => add(-1),
    add,
    set: (n: number): void => void counts.set(name, n),
    record: add,
    get value() {
      return counts.get(name) ?? 0;
    },
  };
}

const stats: StatsScope = { counter: stat, gauge: stat, histogram: stat, scope: () => stats };

function sinks(
  options: { flushBytesMin?: number; bufferedBytesMax?: number } = {},
): AccessLogSinks {
  return createAccessLogSinks({
    clock,
    stats,
    flushIntervalMs: 10,
    flushBytesMin: 65536,
    log: (_level, message) => told.push(message),
    ...options,
  });
}

/** Resolves when the file holds `size` bytes: the thread pool's writes end by an event of their own. */
async function holds(file: string, size: number): Promise<string> {
  while (fs.statSync(file).size < size) await new Promise((resolve) => setImmediate(resolve));
  return fs.readFileSync(file, "latin1");
}

describe("sinks of access logs", () => {
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-sinks-"));
    counts = new Map();
    timers = [];
    told = [];
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  test("lines wait for the flush interval, then leave in one write", async () => {
    const file = path.join(folder, "log");
    const sink = sinks().file(file);
    sink.write("one\n");
    sink.write("two \xe9\n");
    assert.equal(fs.readFileSync(file, "latin1"), "");
    assert.equal(timers.length, 1);
    timers[0]?.();
    assert.equal(await holds(file, 10), "one\ntwo \xe9\n");
  });

  test("a full buffer does not wait for the interval", async () => {
    const file = path.join(folder, "log");
    sinks({ flushBytesMin: 4 }).file(file).write("line\n");
    assert.equal(await holds(file, 5), "line\n");
  });

  test("lines above the limit are dropped and counted", () => {
    const sink = sinks({ bufferedBytesMax: 6 }).file(path.join(folder, "log"));
    sink.write("12345\n");
    sink.write("x\n");
    assert.equal(counts.get("filesystem.write_dropped"), 1);
    assert.equal(counts.get("filesystem.write_buffered"), 1);
    assert.equal(counts.get("filesystem.write_total_buffered"), 6);
  });

  test("flush at exit writes at once", () => {
    const file = path.join(folder, "log");
    const all = sinks();
    all.file(file).write("last\n");
    all.flush();
    assert.equal(fs.readFileSync(file, "latin1"), "last\n");
    assert.equal(counts.get("filesystem.write_total_buffered"), 0);
    assert.equal(timers.length, 0);
  });

  test("reopen follows a rotated file", () => {
    const file = path.join(folder, "log");
    const all = sinks();
    const sink = all.file(file);
    sink.write("old\n");
    all.flush();
    fs.renameSync(file, `${file}.1`);
    all.reopen();
    sink.write("new\n");
    all.flush();
    assert.equal(fs.readFileSync(file, "latin1"), "new\n");
    assert.equal(fs.readFileSync(`${file}.1`, "latin1"), "old\n");
  });

  test("one path is one sink", () => {
    const all = sinks();
    assert.equal(all.file(path.join(folder, "a")), all.file(path.join(folder, "a")));
  });

  test("a file that cannot be opened is a configuration error", () => {
    assert.throws(() => sinks().file(path.join(folder, "no", "such")), /unable to open file/);
  });

  test("a file that takes no lines is told of once", () => {
    const all = sinks();
    const sink = all.file("/dev/full");
    for (const line of ["one\n", "two\n"]) {
      sink.write(line);
      all.flush();
    }
    assert.equal(counts.get("filesystem.write_failed"), 2);
    assert.equal(told.length, 1);
    assert.match(told[0] ?? "", /^access log \/dev\/full cannot be written, .*ENOSPC/);
  });
});
