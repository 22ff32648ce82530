import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Collect this thread's garbage now, all of it; false: the runtime does not let us. */
export function collectGarbage(): boolean {
  collect ??= exposed();
  if (collect === undefined) return false;
  collect();
  return true;
}

function exposed(): (() => void) | undefined {
  // What `--expose-gc` would have done at start: contexts made from now on have it.
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("globalThis.gc");
  return typeof found === "function" ? () => found() : undefined;
}
