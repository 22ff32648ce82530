import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HeaderList } from "#http/headers.ts";
import { refuse } from "#lib/config-error.ts";
import type { Services } from "../../../services.ts";

type RequestIdConfig = Pick<
  HttpConnectionManagerJson,
  "generateRequestId" | "preserveExternalRequestId" | "requestIdExtension"
>;

const uuidType = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";

/**
 * x-request-id: made when absent, and made anew at the edge unless the client's is to be kept. The digit that would carry the trace
 * decision (pack_trace_reason) is only written by a tracer, and there is none yet. undefined: ids are not wanted.
 */
export function compileRequestId(
  config: RequestIdConfig,
  services: Pick<Services, "random">,
): ((headers: HeaderList, external: boolean) => void) | undefined {
  const type = config.requestIdExtension?.typedConfig?.["@type"];
  if (type !== undefined && type !== uuidType) {
    throw refuse("request_id_extension.typed_config", `${String(type)} is not supported`);
  }
  if (config.generateRequestId === false) return undefined;
  const keepExternal = config.preserveExternalRequestId === true;
  const { random } = services;
  return (headers, external) => {
    const present = headers.get("x-request-id");
    if (present !== undefined && present !== "" && (!external || keepExternal)) return;
    headers.set("x-request-id", random.uuid());
  };
}
