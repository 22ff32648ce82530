/** The part of a `.cpuprofile` that self times need. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** For each sample the node that was on top of the stack. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

export function readProfile(text: string): CpuProfile {
  const value: unknown = JSON.parse(text);
  if (!isProfile(value)) throw new Error("this is not a CPU profile of V8");
  return value;
}

/** V8 wrote the file a moment ago: that its three lists are there is proof enough of the rest. */
function isProfile(value: unknown): value is CpuProfile {
  if (typeof value !== "object" || value === null) return false;
  const entries = new Map<string, unknown>(Object.entries(value));
  return ["nodes", "samples", "timeDeltas"].every((key) => Array.isArray(entries.get(key)));
}

/** The functions with the most time of their own, as a table; percentages are of the time that was not idle. */
export function selfTimes({ nodes, samples, timeDeltas }: CpuProfile, top: number): string {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const place = places.get(id) ?? "(unknown)";
    times.set(place, (times.get(place) ?? 0) + (timeDeltas[index] ?? 0));
  }
  const idle = times.get("(idle)") ?? 0;
  times.delete("(idle)");
  const busy = [...times.values()].reduce((sum, time) => sum + time, 0);
  const rows = [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, top)
    .map(([place, time]) => `${((100 * time) / busy).toFixed(1).padStart(6)} %  ${place}`);
  return [`busy ${milliseconds(busy)}, idle ${milliseconds(idle)}`, ...rows].join("\n");
}

function placeOf({ functionName, url, lineNumber }: ProfileNode["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const file = url.replace(/^.*\/(?=(?:dist|src)\/)/, "");
  return `${name}  ${file}:${lineNumber + 1}`;
}

function milliseconds(microseconds: number): string {
  return `${Math.round(microseconds / 1000)} ms`;
}
