/** Somebody who waits for one thing; the second call and those after it say nothing new. */
export interface Waiter {
  onResource(): void;
  onTimeout(): void;
}

export interface Waits {
  /** `onReady` may be called before this returns. */
  start(): void;
  end(): void;
}

/** `onReady` is called once, when each of the watches has brought something or has given up. */
export function waitForAll(
  watches: readonly ((waiter: Waiter) => () => void)[],
  onReady: () => void,
): Waits {
  // One more, so that nothing is ready before everything was asked for.
  let waitsFor = watches.length + 1;
  const ends: (() => void)[] = [];
  const count = (): void => {
    if (--waitsFor === 0) onReady();
  };
  return {
    start: () => {
      for (const watch of watches) {
        const ready = once(count);
        ends.push(watch({ onResource: ready, onTimeout: ready }));
      }
      count();
    },
    end: () => {
      for (const end of ends.splice(0)) end();
    },
  };
}

export function once(callback: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    callback();
  };
}

/** Work that takes time, one after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Rejects as `work` does; those after it have their turn all the same. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const own = this.#last.then(work);
    this.#last = own.catch(() => undefined);
    return own;
  }
}
