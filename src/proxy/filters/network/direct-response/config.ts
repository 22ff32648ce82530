import type { DataSourceJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { ConfigJson } from "#gen/envoy/extensions/filters/network/direct_response/v3/config_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import type { NetworkFilterFactory } from "../filter.ts";
import { DirectResponse } from "./direct-response.ts";

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.direct_response",
  configType: "envoy.extensions.filters.network.direct_response.v3.Config",
  terminal: true,
  compile(config) {
    // The loader checked it against the descriptor of this very type.
    const { response } = config as ConfigJson;
    const bytes = within("response", () => bytesOf(response ?? { inlineBytes: "" }));
    return (stream) => new DirectResponse(stream, bytes);
  },
};

/** Files and environment variables are read where configuration is loaded, which leaves them inline. */
function bytesOf({ inlineString, inlineBytes }: DataSourceJson): Uint8Array {
  if (inlineString !== undefined) return Buffer.from(inlineString, "utf8");
  if (inlineBytes !== undefined) return Buffer.from(inlineBytes, "base64");
  throw refuse("", "inline_string, inline_bytes, filename or environment_variable is required");
}
