export const supported: Readonly<Record<string, readonly string[]>> = {
  "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector": [
    // Only how Envoy reads: our buffer grows with what comes.
    "initial_read_buffer_size",
    "close_connection_on_client_hello_parsing_errors",
    "max_client_hello_size",
  ],
};
