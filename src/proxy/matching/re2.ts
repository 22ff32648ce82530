import { createRequire } from "node:module";
import type * as Library from "re2js";

type Engine = typeof Library.RE2JS;

const load = createRequire(import.meta.url);
let engine: Engine | undefined;

/** RE2 (re2js), loaded with the first pattern: it is two megabytes of a sidecar's memory, and many have none. */
export function re2(): Engine {
  // Proof: re2js' own types say so.
  engine ??= (load("re2js") as typeof Library).RE2JS;
  return engine;
}
