/** node:zlib, loaded with the first filter that codes bodies: its library and what comes with it are megabytes. */
export function zlib(): typeof import("node:zlib") {
  return process.getBuiltinModule("node:zlib");
}
