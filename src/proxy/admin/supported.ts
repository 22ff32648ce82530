/** The fields of the bootstrap's `admin` that this folder implements. `profile_path` is refused: there is no profiler. */
export const supported = {
  "envoy.config.bootstrap.v3.Admin": ["access_log", "address", "allow_paths"],
} as const;
