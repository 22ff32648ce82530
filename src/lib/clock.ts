/** The time, as an argument. `wallMs` is milliseconds since 1970 with a fraction; `monotonicMs` never goes back. */
export interface Clock {
  wallMs(): number;
  monotonicMs(): number;
  /** A timer that does not keep the process alive. */
  after(milliseconds: number, callback: () => void): { cancel(): void };
}

let insideEvent = false;
/** The time of the event, once somebody has asked for it; 0: nobody has. */
let eventMs = 0;

/**
 * A socket has something to say. Until `endEvent` the system clock stands still: one request asks for the time a dozen times, and each
 * answer of the runtime costs as much as a filter.
 */
export function beginEvent(): void {
  insideEvent = true;
  eventMs = 0;
}

export function endEvent(): void {
  insideEvent = false;
}

function monotonicMs(): number {
  if (!insideEvent) return performance.now();
  if (eventMs === 0) eventMs = performance.now();
  return eventMs;
}

const { timeOrigin } = performance;

export const systemClock: Clock = {
  wallMs: () => timeOrigin + monotonicMs(),
  monotonicMs,
  after(milliseconds, callback) {
    // Node's limit: longer waits would fire at once.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
