/** Ctrl-C and its like: the first one ends a command in order, a second one at once. */
export class Interrupts {
  readonly first: Promise<NodeJS.Signals>;
  readonly #handlers: (readonly [NodeJS.Signals, () => void])[] = [];
  #interrupt: (signal: NodeJS.Signals) => void = () => {};
  #seen = 0;
  #onSecond: () => void = () => {};

  constructor() {
    this.first = new Promise((resolve) => {
      this.#interrupt = resolve;
    });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const handler = (): void => this.raise(signal);
      process.on(signal, handler);
      this.#handlers.push([signal, handler]);
    }
  }

  get raised(): boolean {
    return this.#seen > 0;
  }

  /** What a signal does, for whoever gets it otherwise (a key). */
  raise(signal: NodeJS.Signals): void {
    this.#seen += 1;
    if (this.#seen === 1) this.#interrupt(signal);
    else this.#onSecond();
  }

  onSecond(action: () => void): void {
    this.#onSecond = action;
  }

  release(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }
}
