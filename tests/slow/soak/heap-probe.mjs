// Preloaded into every thread of the soaked proxy. On SIGUSR2 each collects its garbage and writes what is left: the admin page
// /memory knows only the main thread's heap, and cannot collect.
import { renameSync, writeFileSync } from "node:fs";
import { queryObjects } from "node:v8";
import { BroadcastChannel, isMainThread, threadId } from "node:worker_threads";

// biome-ignore lint/style/noProcessEnv: a preloaded module has no other argument.
const folder = process.env.SOAK_FOLDER;

const probe = setTimeout(() => {});
clearTimeout(probe);
const { constructor: Timer } = probe;

function measure() {
  // Twice: what finalizers of the first let go is collected by the second.
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  // The proxy's timers keep no loop alive, so the runtime does not list them.
  const timers = queryObjects(Timer, { format: "count" });
  const file = `${folder}/heap-${threadId}`;
  writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external, timers, resources }));
  renameSync(`${file}.new`, `${file}.json`);
}

const channel = new BroadcastChannel("heap-probe");
channel.onmessage = measure;
channel.unref();

if (isMainThread) {
  process.on("SIGUSR2", () => {
    channel.postMessage("measure");
    measure();
  });
}
