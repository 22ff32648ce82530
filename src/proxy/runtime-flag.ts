import type { RuntimeFeatureFlagJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { Services } from "./services.ts";

/** A switch that the runtime may throw; absent, it is on. */
export function compileRuntimeFlag(
  flag: RuntimeFeatureFlagJson | undefined,
  { runtime }: Services,
): () => boolean {
  if (flag === undefined) return () => true;
  const { runtimeKey = "", defaultValue = false } = flag;
  return () => runtime.boolean(runtimeKey, defaultValue);
}
