import type { WorkerControl } from "./dynamic/worker-control.ts";
import type { DrainOptions } from "./listener/listener-manager.ts";
import { StartError } from "./start-error.ts";
import {
  startLocalWorker,
  startThreadWorker,
  type WorkerEvents,
  type WorkerHandle,
} from "./worker-handle.ts";
import type {
  ChangeProblem,
  ConfigChange,
  ConfigStep,
  FromWorker,
  ListenerStatus,
  ToWorker,
  WorkerSpec,
  WorkerStatus,
} from "./worker-protocol.ts";

export interface WorkerGroupOptions {
  readonly concurrency: number;
  /** The module that a worker thread runs. */
  readonly workerEntry: URL;
  /** How long connections of a replaced or removed listener may stay. */
  readonly drain: DrainOptions;
  readonly onMessage: (index: number, message: FromWorker) => void;
  readonly onCrash: (index: number, error: Error) => void;
}

type Listen = (index: number, message: FromWorker) => void;

/** All workers of a process: what is asked of one is asked of all, and the first one answers for them. */
export class WorkerGroup implements WorkerEvents, WorkerControl {
  readonly #options: WorkerGroupOptions;
  readonly #workers: WorkerHandle[] = [];
  readonly #waiting: Set<Listen> = new Set();
  #lastQuery = 0;
  /** As the first worker has them. */
  listeners: readonly ListenerStatus[] = [];

  constructor(options: WorkerGroupOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#workers.length;
  }

  get threads(): boolean {
    return this.#options.concurrency > 1;
  }

  /** Resolves when all have taken the configuration; rejects with StartError. */
  async compile(specOf: (index: number) => WorkerSpec): Promise<void> {
    const { concurrency, workerEntry } = this.#options;
    const compiled = this.each("compiled", concurrency);
    for (let index = 0; index < concurrency; index++) {
      const spec = specOf(index);
      this.#workers.push(
        this.threads ? startThreadWorker(spec, workerEntry, this) : startLocalWorker(spec, this),
      );
    }
    await compiled;
  }

  onMessage(index: number, message: FromWorker): void {
    if (message.kind === "listening" && index === 0) this.listeners = message.listeners;
    this.#options.onMessage(index, message);
    for (const listen of [...this.#waiting]) listen(index, message);
  }

  onCrash(index: number, error: Error): void {
    this.#options.onCrash(index, error);
  }

  broadcast(message: ToWorker): void {
    for (const worker of this.#workers) worker.post(message);
  }

  /** Open the listeners: the first worker's ports decide for the others what port 0 means. */
  async listen(): Promise<void> {
    const [first, ...others] = this.#workers;
    if (first === undefined) return;
    const listening = this.each("listening", 1);
    first.post({ kind: "listen", ports: {}, shared: {} });
    await listening;
    if (others.length === 0) return;
    const rest = this.each("listening", others.length);
    const bound = boundPorts(this.listeners);
    for (const worker of others) worker.post({ kind: "listen", ...bound });
    await rest;
  }

  /** `count` messages of this kind. Rejects with StartError when a worker says that it cannot go on. */
  each(kind: FromWorker["kind"], count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = count;
      const listen: Listen = (_index, message) => {
        if (message.kind === "refused") {
          this.#waiting.delete(listen);
          reject(new StartError("configuration refused", { problems: message.problems }));
        } else if (message.kind === "failed") {
          this.#waiting.delete(listen);
          reject(new StartError(message.message));
        } else if (message.kind === kind && --left === 0) {
          this.#waiting.delete(listen);
          resolve();
        }
      };
      this.#waiting.add(listen);
    });
  }

  /** The first answer that `take` recognises. */
  #answer<T>(take: (index: number, message: FromWorker) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const listen: Listen = (index, message) => {
        const answer = take(index, message);
        if (answer === undefined) return;
        this.#waiting.delete(listen);
        resolve(answer);
      };
      this.#waiting.add(listen);
    });
  }

  async change(changes: readonly ConfigChange[]): Promise<readonly ChangeProblem[]> {
    const [first, ...others] = this.#workers;
    if (first === undefined || changes.length === 0) return [];
    const id = ++this.#lastQuery;
    const answer = this.#answer((_index, message) =>
      message.kind === "changed" && message.id === id ? message.refused : undefined,
    );
    first.post({ kind: "change", id, changes });
    const refused = await answer;
    const bad = new Set(refused.map(({ index }) => index));
    const good = changes.filter((_change, index) => !bad.has(index));
    // They compile the same in the same order: what one has taken all take.
    for (const worker of others)
      worker.post({ kind: "change", id: ++this.#lastQuery, changes: good });
    return refused;
  }

  step(step: ConfigStep): void {
    this.broadcast({ kind: "step", step });
  }

  removeListener(name: string): void {
    this.step({ kind: "remove-listener", name, ...this.#options.drain });
    this.listeners = this.listeners.filter((listener) => listener.name !== name);
  }

  async activateListener(name: string): Promise<string | undefined> {
    const [first, ...others] = this.#workers;
    const problem = await this.#activateIn(first, name, { ports: {}, shared: {} });
    if (problem !== undefined) {
      for (const worker of others)
        worker.post({ kind: "step", step: { kind: "discard-listener", name } });
      return problem;
    }
    const bound = boundPorts(this.listeners.filter((listener) => listener.name === name));
    const problems = await Promise.all(
      others.map((worker) => this.#activateIn(worker, name, bound)),
    );
    return problems.find((one) => one !== undefined);
  }

  async #activateIn(
    worker: WorkerHandle | undefined,
    name: string,
    bound: ReturnType<typeof boundPorts>,
  ): Promise<string | undefined> {
    if (worker === undefined) return undefined;
    const id = ++this.#lastQuery;
    const answer = this.#answer((_index, message) =>
      message.kind === "activated" && message.id === id ? message : undefined,
    );
    worker.post({ kind: "activate-listener", id, name, ...bound, ...this.#options.drain });
    const { problem, listeners } = await answer;
    if (worker === this.#workers[0]) this.listeners = listeners;
    return problem;
  }

  async statuses(): Promise<readonly WorkerStatus[]> {
    const id = ++this.#lastQuery;
    const answers: WorkerStatus[] = [];
    const all = this.#answer((_index, message) => {
      if (message.kind !== "status" || message.id !== id) return undefined;
      return answers.push(message.status) === this.size ? answers : undefined;
    });
    this.broadcast({ kind: "status", id });
    return all;
  }

  /** End them whatever they do. */
  abandon(): void {
    for (const worker of this.#workers) worker.abandon();
  }

  async stop(): Promise<void> {
    const stopped = this.each("stopped", this.size);
    this.broadcast({ kind: "stop" });
    await stopped;
  }
}

function boundPorts(listeners: readonly ListenerStatus[]): {
  readonly ports: Readonly<Record<string, number>>;
  readonly shared: Readonly<Record<string, number>>;
} {
  const ports: Record<string, number> = {};
  const shared: Record<string, number> = {};
  for (const listener of listeners) {
    for (const [index, { port, descriptor }] of listener.addresses.entries()) {
      ports[`${listener.name}#${index}`] = port;
      if (descriptor !== undefined) shared[`${listener.name}#${index}`] = descriptor;
    }
  }
  return { ports, shared };
}
