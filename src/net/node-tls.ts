/** node:tls, loaded with the first certificate: a sidecar without TLS has four megabytes better to do. */
export function nodeTls(): typeof import("node:tls") {
  return process.getBuiltinModule("node:tls");
}
