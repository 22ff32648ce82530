/** Filter state: the host and port that a dynamic forward proxy connects to, in the place of the request's. */
export const dynamicHostKey = "envoy.upstream.dynamic_host";
export const dynamicPortKey = "envoy.upstream.dynamic_port";
