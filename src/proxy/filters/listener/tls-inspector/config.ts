import type { TlsInspectorJson } from "#gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js";
import type { ListenerFilterFactory } from "../filter.ts";
import { helloBytesMax } from "./client-hello.ts";
import { TlsInspector } from "./tls-inspector.ts";

export const factory: ListenerFilterFactory = {
  name: "envoy.filters.listener.tls_inspector",
  configType: "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
  compile(config, { stats }) {
    const typed = config as TlsInspectorJson;
    const filter = new TlsInspector({
      helloBytesMax: typed.maxClientHelloSize ?? helloBytesMax,
      closeOnError: typed.closeConnectionOnClientHelloParsingErrors === true,
      scope: stats.scope("tls_inspector."),
    });
    return () => filter;
  },
};
