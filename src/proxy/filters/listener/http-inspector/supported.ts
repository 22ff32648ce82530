export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector": [],
};
