export const supported = {
  "envoy.extensions.filters.http.stateful_session.v3.StatefulSession": [
    "session_state",
    "strict",
    "stat_prefix",
  ],
  "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute": [
    "disabled",
    "stateful_session",
  ],
  "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState": ["cookie"],
  "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState": ["name"],
  "envoy.type.http.v3.Cookie": ["name", "ttl", "path", "attributes"],
  "envoy.type.http.v3.CookieAttribute": ["name", "value"],
} as const;
