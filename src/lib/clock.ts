/** The time, as an argument. `wallMs` is milliseconds since 1970 with a fraction; `monotonicMs` never goes back. */
export interface Clock {
  wallMs(): number;
  monotonicMs(): number;
  /** A timer that does not keep the process alive. */
  after(milliseconds: number, callback: () => void): { cancel(): void };
}

export const systemClock: Clock = {
  wallMs: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
  after(milliseconds, callback) {
    // Node's limit: longer waits would fire at once.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
