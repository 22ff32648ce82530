import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import { refuse } from "#lib/config-error.ts";

/** The message that a library's configuration is. */
export function libraryType(typedConfig: TypedExtensionConfigJson["typedConfig"]): string {
  if (typedConfig === undefined) throw refuse("typed_config", "is required");
  const url = String(typedConfig["@type"]);
  return url.slice(url.lastIndexOf("/") + 1);
}
