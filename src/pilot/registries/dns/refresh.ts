import type { Clock } from "#lib/clock.ts";
import type { SourceSink } from "../endpoint-source.ts";

const refreshMinMs = 1_000;
const refreshMaxMs = 300_000;
/** After a failure, and when nothing says how long an answer is good. */
const refreshDefaultMs = 30_000;

export interface Looked {
  readonly endpoints: Parameters<SourceSink["found"]>[0];
  /** How long the answer is good, when it says so. */
  readonly ttlMs: number | undefined;
}

/** Looks again and again, as often as answers are good for. */
export function refresh(look: () => Promise<Looked>, sink: SourceSink, clock: Clock): () => void {
  let stopped = false;
  let timer: { cancel(): void } | undefined;
  const later = (ms: number): void => {
    if (!stopped) timer = clock.after(Math.min(Math.max(ms, refreshMinMs), refreshMaxMs), once);
  };
  const once = (): void => {
    look().then(
      ({ endpoints, ttlMs }) => {
        if (stopped) return;
        sink.problem(undefined);
        sink.found(endpoints);
        later(ttlMs ?? refreshDefaultMs);
      },
      (error: unknown) => {
        if (stopped) return;
        sink.problem(error instanceof Error ? error.message : String(error));
        later(refreshDefaultMs);
      },
    );
  };
  once();
  return () => {
    stopped = true;
    timer?.cancel();
  };
}
