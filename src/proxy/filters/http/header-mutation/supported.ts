export const supported = {
  "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation": [
    "mutations",
    "most_specific_header_mutations_wins",
  ],
  "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute": ["mutations"],
  "envoy.extensions.filters.http.header_mutation.v3.Mutations": [
    "request_mutations",
    "query_parameter_mutations",
    "response_mutations",
    "response_trailers_mutations",
    "request_trailers_mutations",
  ],
  "envoy.config.common.mutation_rules.v3.HeaderMutation": ["remove", "append", "remove_on_match"],
  "envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch": ["key_matcher"],
  "envoy.config.core.v3.HeaderValueOption": [
    "header",
    "append",
    "append_action",
    "keep_empty_value",
  ],
  "envoy.config.core.v3.HeaderValue": ["key", "value"],
  "envoy.config.core.v3.KeyValueMutation": ["append", "remove"],
  "envoy.config.core.v3.KeyValueAppend": ["record", "action"],
  "envoy.config.core.v3.KeyValuePair": ["key", "value"],
} as const;
