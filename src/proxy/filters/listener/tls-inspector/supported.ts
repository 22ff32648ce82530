export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector": [],
};
