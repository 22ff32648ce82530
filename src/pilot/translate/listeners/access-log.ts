import type {
  AccessLogFilterJson,
  AccessLogJson,
} from "#gen/envoy/config/accesslog/v3/accesslog_pb.js";
import type { SubstitutionFormatStringJson } from "#gen/envoy/config/core/v3/substitution_format_string_pb.js";
import type { FileAccessLogJson } from "#gen/envoy/extensions/access_loggers/file/v3/file_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { packed } from "../any.ts";

/** Istio's default, field by field (istio.md §5): what people's log pipelines parse. */
const textFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ' +
  "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% " +
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% ' +
  "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% " +
  "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

const jsonFormat = {
  start_time: "%START_TIME%",
  route_name: "%ROUTE_NAME%",
  method: "%REQ(:METHOD)%",
  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
  protocol: "%PROTOCOL%",
  response_code: "%RESPONSE_CODE%",
  response_flags: "%RESPONSE_FLAGS%",
  response_code_details: "%RESPONSE_CODE_DETAILS%",
  connection_termination_details: "%CONNECTION_TERMINATION_DETAILS%",
  bytes_received: "%BYTES_RECEIVED%",
  bytes_sent: "%BYTES_SENT%",
  duration: "%DURATION%",
  upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  x_forwarded_for: "%REQ(X-FORWARDED-FOR)%",
  user_agent: "%REQ(USER-AGENT)%",
  request_id: "%REQ(X-REQUEST-ID)%",
  authority: "%REQ(:AUTHORITY)%",
  upstream_host: "%UPSTREAM_HOST%",
  upstream_cluster: "%UPSTREAM_CLUSTER_RAW%",
  upstream_local_address: "%UPSTREAM_LOCAL_ADDRESS%",
  downstream_local_address: "%DOWNSTREAM_LOCAL_ADDRESS%",
  downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%",
  requested_server_name: "%REQUESTED_SERVER_NAME%",
  upstream_transport_failure_reason: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
};

/** Of requests and TCP connections. Empty unless MeshConfig names a file. */
export function accessLogs(mesh: MeshConfigJson): readonly AccessLogJson[] {
  return mesh.accessLogFile === undefined || mesh.accessLogFile === ""
    ? []
    : [fileLog(mesh.accessLogFile, mesh)];
}

/** NR: no filter chain took the connection, which no filter can log. */
const unmatched: AccessLogFilterJson = { responseFlagFilter: { flags: ["NR"] } };

/** Of connections that no filter chain takes. */
export function listenerAccessLogs(mesh: MeshConfigJson): readonly AccessLogJson[] {
  if (mesh.disableEnvoyListenerLog === true) return [];
  return accessLogs(mesh).map((log) => ({ ...log, filter: unmatched }));
}

function fileLog(path: string, mesh: MeshConfigJson): AccessLogJson {
  const config: FileAccessLogJson = { path, logFormat: format(mesh) };
  return {
    name: "envoy.access_loggers.file",
    typedConfig: packed("envoy.extensions.access_loggers.file.v3.FileAccessLog", config),
  };
}

function format({
  accessLogEncoding,
  accessLogFormat = "",
}: MeshConfigJson): SubstitutionFormatStringJson {
  if (accessLogEncoding === "JSON") return { jsonFormat: ownJsonFormat(accessLogFormat) };
  const text = accessLogFormat === "" ? textFormat : accessLogFormat;
  return { textFormatSource: { inlineString: text.endsWith("\n") ? text : `${text}\n` } };
}

/** As Istio: a format that is no JSON object is as good as absent. */
function ownJsonFormat(text: string): typeof jsonFormat {
  if (text === "") return jsonFormat;
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    // Proof: an object of JSON values, which is all that a google.protobuf.Struct asks.
    return isObject ? (value as typeof jsonFormat) : jsonFormat;
  } catch {
    return jsonFormat;
  }
}
