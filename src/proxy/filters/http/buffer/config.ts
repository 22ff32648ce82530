import type {
  BufferJson,
  BufferPerRouteJson,
} from "#gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.js";
import type { HttpFilterFactory } from "../filter.ts";
import { BufferFilter, type BufferSettings } from "./buffer.ts";

// The loader checked each configuration against the descriptor of the type that is named here.
export const factory: HttpFilterFactory = {
  name: "envoy.filters.http.buffer",
  configType: "envoy.extensions.filters.http.buffer.v3.Buffer",
  routeConfigType: "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
  compile(config, { filterName }) {
    const shared = { filterName, settings: settingsOf(config as BufferJson) };
    return () => new BufferFilter(shared);
  },
  compileRoute(config): BufferSettings {
    const { buffer } = config as BufferPerRouteJson;
    return buffer === undefined ? { requestBytesMax: undefined } : settingsOf(buffer);
  },
};

function settingsOf({ maxRequestBytes }: BufferJson): BufferSettings {
  return { requestBytesMax: maxRequestBytes ?? 0 };
}
