const high = 16;

/** Messages between a stream that pushes and a loop that takes them; holds the stream back while more than a few wait. */
export class MessageQueue<T> implements AsyncIterable<T>, AsyncIterator<T> {
  readonly #source: { pause(): void; resume(): void };
  readonly #messages: T[] = [];
  #paused = false;
  #ended = false;
  #error: Error | undefined;
  #waiting: { resolve(result: IteratorResult<T>): void; reject(error: Error): void } | undefined;

  constructor(source: { pause(): void; resume(): void }) {
    this.#source = source;
  }

  push(message: T): void {
    if (this.#ended) return;
    if (this.#waiting !== undefined) {
      const { resolve } = this.#waiting;
      this.#waiting = undefined;
      resolve({ done: false, value: message });
      return;
    }
    this.#messages.push(message);
    if (this.#paused || this.#messages.length < high) return;
    this.#paused = true;
    this.#source.pause();
  }

  end(): void {
    this.#ended = true;
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
  }

  /** What was pushed before is still taken first. */
  fail(error: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#messages.length > 0) {
      // Proof: the length was looked at.
      const value = this.#messages.shift() as T;
      if (this.#paused && this.#messages.length === 0) {
        this.#paused = false;
        this.#source.resume();
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** The loop has been left: what still comes is dropped. */
  return(): Promise<IteratorResult<T>> {
    this.#ended = true;
    this.#messages.length = 0;
    if (this.#paused) this.#source.resume();
    this.#paused = false;
    return Promise.resolve({ done: true, value: undefined });
  }
}
