export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.listener.original_dst.v3.OriginalDst": [],
};
