import { parentPort, Worker as Thread, workerData } from "node:worker_threads";
import { ConfigError } from "#lib/config-error.ts";
import { Worker } from "./worker.ts";
import type { FromWorker, ToWorker, WorkerSpec } from "./worker-protocol.ts";

/** A worker from outside, wherever it runs. */
export interface WorkerHandle {
  readonly index: number;
  post(message: ToWorker): void;
  /** End it whatever it does: it refused its configuration or never began to serve. */
  abandon(): void;
}

export interface WorkerEvents {
  onMessage(index: number, message: FromWorker): void;
  /** The thread died without being asked to. */
  onCrash(index: number, error: Error): void;
}

/** In this thread: with one worker a thread of its own would only cost memory. */
export function startLocalWorker(spec: WorkerSpec, events: WorkerEvents): WorkerHandle {
  const post = (message: FromWorker): void => events.onMessage(spec.index, message);
  const worker = makeWorker(spec, post);
  return {
    index: spec.index,
    post: (message) => worker?.handle(message),
    abandon: () => worker?.handle({ kind: "stop" }),
  };
}

/** In a thread. Messages sent before it is up are kept by the runtime. */
export function startThreadWorker(
  spec: WorkerSpec,
  entry: URL,
  events: WorkerEvents,
): WorkerHandle {
  const thread = new Thread(entry, { workerData: spec, name: `wrk:${spec.index}` });
  let stopped = false;
  thread.on("message", (message: FromWorker) => {
    if (message.kind === "stopped") stopped = true;
    events.onMessage(spec.index, message);
  });
  thread.on("error", (error: Error) => events.onCrash(spec.index, error));
  thread.on("exit", (code) => {
    if (!stopped)
      events.onCrash(spec.index, new Error(`worker ${spec.index} ended with code ${code}`));
  });
  return {
    index: spec.index,
    post: (message) => thread.postMessage(message),
    abandon: () => {
      stopped = true;
      void thread.terminate();
    },
  };
}

/** The thread's own side. */
export function runThreadWorker(): void {
  const port = parentPort;
  if (port === null) throw new Error("a worker's entry runs in a thread only");
  const worker = makeWorker(workerData as WorkerSpec, (message) => port.postMessage(message));
  port.on("message", (message: ToWorker) => {
    worker?.handle(message);
    // The port keeps the thread alive; nothing else has to be.
    if (message.kind === "stop") port.close();
  });
}

function makeWorker(spec: WorkerSpec, post: (message: FromWorker) => void): Worker | undefined {
  try {
    const worker = new Worker(spec, post);
    post({ kind: "compiled" });
    return worker;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    post({ kind: "refused", problems: error.problems });
    return undefined;
  }
}
