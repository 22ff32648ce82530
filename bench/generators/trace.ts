import type { Latency } from "../load.ts";

/** One request as a generator saw it. */
export interface TracedRequest {
  /** Microseconds since the epoch. */
  readonly endUs: number;
  readonly latencyUs: number;
  readonly ok: boolean;
}

/** A generator whose requests are all written down; which of them count is decided afterwards. */
export interface Generator {
  readonly command: readonly string[];
  /** What it wrote, after its end; `output` is what it told. Throws when it was not the load that was asked for. */
  readonly readTrace: (output: string) => readonly TracedRequest[];
}

export interface Window {
  readonly beginUs: number;
  readonly endUs: number;
}

export interface TraceSummary {
  readonly requests: number;
  readonly errors: number;
  readonly latencyUs: Latency;
}

/** h2load's `--log-file`: start in microseconds since the epoch, status (-1: no answer), microseconds to its end. */
export function readRequestLog(text: string): readonly TracedRequest[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    const [start, status, latencyUs] = line.split("\t").map(Number);
    if (start === undefined || status === undefined || latencyUs === undefined || !(latencyUs >= 0))
      throw new Error(`not a line of a request log: ${line}`);
    return { endUs: start + latencyUs, latencyUs, ok: status >= 200 && status < 300 };
  });
}

/** Requests that ended in the window. Failed ones are counted and say nothing about work or latency. */
export function summarizeTrace(trace: readonly TracedRequest[], window: Window): TraceSummary {
  const within = trace.filter(({ endUs }) => endUs >= window.beginUs && endUs < window.endUs);
  const latencies = Float64Array.from(
    within.filter(({ ok }) => ok).map(({ latencyUs }) => latencyUs),
  ).sort();
  if (latencies.length === 0) throw new Error(`no request succeeded, ${within.length} failed`);
  const at = (part: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(part * latencies.length))] ?? Number.NaN;
  return {
    requests: latencies.length,
    errors: within.length - latencies.length,
    latencyUs: { p50: at(0.5), p99: at(0.99), p999: at(0.999) },
  };
}
