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

/** Why there is no connection, from the name of a system error or a handshake's own words; "" when nothing is known. */
export function connectErrorText(detail: string): string {
  if (detail === "") return "";
  if (detail.startsWith("TLS_error")) return detail.replaceAll(" ", "_");
  return `delayed_connect_error:_${errorWords[detail] ?? detail}`;
}
