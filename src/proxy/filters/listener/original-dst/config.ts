import { refuse } from "#lib/config-error.ts";
import { prepareOriginalDestination } from "#net/original-destination.ts";
import type { ListenerFilterFactory } from "../filter.ts";
import { originalDst } from "./original-dst.ts";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.original_dst",
  configType: "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
  compile() {
    try {
      prepareOriginalDestination();
    } catch (cause) {
      throw refuse(
        "",
        `original_dst needs libc's getsockopt: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
    }
    return () => originalDst;
  },
};
