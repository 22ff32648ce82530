import { runThreadWorker } from "#proxy/worker-handle.ts";

runThreadWorker();
