import type { ListenerFilterFactory } from "../filter.ts";
import { HttpInspector } from "./http-inspector.ts";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.http_inspector",
  configType: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
  compile(_config, { stats }) {
    const filter = new HttpInspector(stats.scope("http_inspector."));
    return () => filter;
  },
};
