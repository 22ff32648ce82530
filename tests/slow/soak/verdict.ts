/** Whether a soak leaked. */
import type { Rest, SoakResult } from "./run.ts";
import { keptBytes } from "./samples.ts";

/** Compiled code, pools of the runtime and what the first requests of each kind make once. */
const onceBytes = 3 * 1024 * 1024;
/** Less than the smallest object: whatever is kept for each request, or each tenth, is more. */
const bytesPerRequestMax = 16;

export function judge({ rests, problems }: SoakResult): readonly string[] {
  const [, first] = rests;
  const last = rests.at(-1);
  if (first === undefined || last === undefined) return ["there was no rest after load"];
  return [...problems, ...growth(first, last), ...moreTimers(first, last)];
}

/** From the first rest after load: what starting needed is gone by then, and every path has been taken. */
function growth(first: Rest, last: Rest): readonly string[] {
  const grown = keptBytes(last.heaps) - keptBytes(first.heaps);
  const allowed = onceBytes + bytesPerRequestMax * (last.requests - first.requests);
  if (grown <= allowed) return [];
  const requests = last.requests - first.requests;
  return [`the heaps grew by ${grown} bytes over ${requests} requests; ${allowed} are allowed`];
}

/** Lists of timers are made when they are first needed, so that some more than at first are no leak. */
const timersMoreMax = 20;

function moreTimers(first: Rest, last: Rest): readonly string[] {
  return last.heaps.flatMap(({ timers }, thread) => {
    const before = first.heaps[thread]?.timers ?? 0;
    return timers > before + timersMoreMax
      ? [`thread ${thread}: ${timers} timers; ${before} were there`]
      : [];
  });
}
