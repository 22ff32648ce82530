import type { ListenerFilterFactory } from "../filter.ts";
import { TlsInspector } from "./tls-inspector.ts";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.tls_inspector",
  configType: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
  compile(_config, { stats }) {
    const filter = new TlsInspector(stats.scope("tls_inspector."));
    return () => filter;
  },
};
