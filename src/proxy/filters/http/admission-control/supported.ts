export const supported = {
  "envoy.extensions.filters.http.admission_control.v3.AdmissionControl": [
    "enabled",
    "success_criteria",
    "sampling_window",
    "aggression",
    "sr_threshold",
    "rps_threshold",
    "max_rejection_probability",
  ],
  "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria": [
    "http_criteria",
    "grpc_criteria",
  ],
  "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria.HttpCriteria":
    ["http_success_status"],
  "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria.GrpcCriteria":
    ["grpc_success_status"],
  "envoy.config.core.v3.RuntimeDouble": ["default_value", "runtime_key"],
  "envoy.config.core.v3.RuntimePercent": ["default_value", "runtime_key"],
  "envoy.config.core.v3.RuntimeUInt32": ["default_value", "runtime_key"],
  "envoy.type.v3.Int32Range": ["start", "end"],
  "envoy.type.v3.Percent": ["value"],
} as const;
