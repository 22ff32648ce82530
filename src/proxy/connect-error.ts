/** strerror's words with `_` for spaces, as Envoy puts them into details. */
const errorWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection_refused",
  ETIMEDOUT: "Connection_timed_out",
  EHOSTUNREACH: "No_route_to_host",
  ENETUNREACH: "Network_is_unreachable",
  ENOENT: "No_such_file_or_directory",
  EACCES: "Permission_denied",
  ECONNRESET: "Connection_reset_by_peer",
  EADDRNOTAVAIL: "Cannot_assign_requested_address",
  EINVAL: "Invalid_argument",
};

/** The words for the system error of this name. */
export function connectErrorText(name: string): string {
  return errorWords[name] ?? name;
}
