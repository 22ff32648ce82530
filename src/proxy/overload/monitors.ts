import { readFileSync, statSync } from "node:fs";
import type { ResourceMonitorJson } from "#gen/envoy/config/overload/v3/overload_pb.js";
import type { DownstreamConnectionsConfigJson } from "#gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js";
import type { FixedHeapConfigJson } from "#gen/envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap_pb.js";
import type { InjectedResourceConfigJson } from "#gen/envoy/extensions/resource_monitors/injected_resource/v3/injected_resource_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Count } from "./connection-counts.ts";

/** What a monitor may look at. */
export interface Observed {
  /** Bytes of this process in physical memory. */
  readonly residentBytes: () => number;
  /** Open connections that a global limit holds for. */
  readonly connections: Count;
}

/** The use of a resource, 0 to 1; undefined: it cannot be told. */
export type Pressure = (observed: Observed) => number | undefined;

export interface ResourceMonitor {
  readonly name: string;
  /** Only for connections: a limit that holds at every accept. */
  readonly connectionsMax: number | undefined;
  /** Made anew for each process: some remember what they saw last. */
  readonly makePressure: () => Pressure;
}

const prefix = "envoy.extensions.resource_monitors";

export function compileMonitor({ name = "", typedConfig }: ResourceMonitorJson): ResourceMonitor {
  const type = String((typedConfig as { "@type"?: unknown } | undefined)?.["@type"] ?? "");
  switch (type.slice(type.lastIndexOf("/") + 1)) {
    case `${prefix}.injected_resource.v3.InjectedResourceConfig`: {
      const { filename = "" } = typedConfig as InjectedResourceConfigJson;
      return { name, connectionsMax: undefined, makePressure: () => fileReader(filename) };
    }
    case `${prefix}.fixed_heap.v3.FixedHeapConfig`: {
      const max = Number((typedConfig as FixedHeapConfigJson).maxHeapSizeBytes ?? 0);
      return {
        name,
        connectionsMax: undefined,
        makePressure: () => (observed) => observed.residentBytes() / max,
      };
    }
    case `${prefix}.downstream_connections.v3.DownstreamConnectionsConfig`: {
      const config = typedConfig as DownstreamConnectionsConfigJson;
      const max = Number(config.maxActiveDownstreamConnections ?? 0);
      return {
        name,
        connectionsMax: max,
        makePressure: () => (observed) => observed.connections.value / max,
      };
    }
    default:
      throw refuse("typed_config", `Heddle has no resource monitor for ${type || "no type"}`);
  }
}

/** A number in a file, read again when the file is another or has changed. */
function fileReader(path: string): Pressure {
  let seen = "";
  let pressure: number | undefined;
  return () => {
    const status = statSync(path, { throwIfNoEntry: false, bigint: true });
    const now = status === undefined ? "" : `${status.ino} ${status.ctimeNs} ${status.size}`;
    if (now !== seen) {
      seen = now;
      pressure = status === undefined ? undefined : readPressure(path);
    }
    return pressure;
  };
}

function readPressure(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    const value = Number(text);
    return text !== "" && value >= 0 && value <= 1 ? value : undefined;
  } catch {
    // Gone between the two looks at it.
    return undefined;
  }
}
