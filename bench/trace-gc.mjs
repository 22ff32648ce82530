// Preloaded by profile.ts: `--trace-gc` is not allowed in NODE_OPTIONS, and bin/heddle chooses Node's own options.
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--trace-gc");
