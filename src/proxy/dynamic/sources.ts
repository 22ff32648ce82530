import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { ResourceType } from "#xds/resource-type.ts";
import type { ResourceClient } from "#xds/subscriber.ts";

/** The control planes and files that a bootstrap names, each connected once. */
export interface Sources {
  /** Throws ConfigError for a source that cannot be. */
  of(source: ConfigSourceJson, type: ResourceType): ResourceClient;
  /** Throws ConfigError for a source that cannot be, and opens none. */
  check(source: ConfigSourceJson, type: ResourceType): void;
  /** Connects them, and from then on each new one at once: where control planes are is known now. */
  start(): void;
  close(): void;
}
