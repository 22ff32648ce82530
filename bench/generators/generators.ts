import { readFileSync } from "node:fs";
import type { Rig } from "../rig.ts";
import type { Load, Scenario } from "../scenarios.ts";
import { ghz } from "./ghz.ts";
import { h2loadCommand } from "./h2load.ts";
import { checkResumption } from "./handshakes.ts";
import { type Generator, readRequestLog } from "./trace.ts";

export type TracedLoad = Exclude<Load, { readonly kind: "load" }>;

export interface GeneratorOptions {
  readonly scenario: Scenario;
  readonly load: TracedLoad;
  readonly port: number;
  readonly durationMs: number;
}

export function makeGenerator(rig: Rig, options: GeneratorOptions): Generator {
  const { scenario, load, port, durationMs } = options;
  const { connections } = scenario;
  const file = `${rig.folder}/requests`;
  const readTrace: Generator["readTrace"] = () => readRequestLog(readFileSync(file, "utf8"));
  switch (load.kind) {
    case "h2load": {
      const more = [`--log-file=${file}`, `--duration=${durationMs}ms`];
      return { command: h2loadCommand(load, { port, connections, more }), readTrace };
    }
    case "handshakes": {
      const parts = [
        ["--port", port],
        ["--connections", connections],
        ["--duration-ms", durationMs],
        ["--log-file", file],
        load.resume ? ["--resume"] : [],
      ];
      const command = [rig.tools.path("handshakes"), ...parts.flat().map(String)];
      return {
        command,
        readTrace: (output) => {
          const trace = readTrace(output);
          checkResumption(output, { resume: load.resume, handshakes: trace.length });
          return trace;
        },
      };
    }
    case "ghz":
      return ghz(rig.tools.path("ghz"), { load, port, connections, durationMs, file });
  }
}
