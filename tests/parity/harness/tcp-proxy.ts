import type { Script } from "../../../testkit/fake-upstream.ts";
import {
  type CaseConfig,
  cluster,
  extension,
  fileAccessLog,
  type JsonObject,
  listener,
} from "./config.ts";

export const facts: string =
  "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER%";

export const tcpProxy = (config: JsonObject = {}, format: string = facts): JsonObject =>
  extension(
    "envoy.filters.network.tcp_proxy",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    {
      stat_prefix: "{case}",
      ...("weighted_clusters" in config ? {} : { cluster: "{case}-main" }),
      access_log: [fileAccessLog(format)],
      ...config,
    },
  );

export const proxying = (
  config: JsonObject = {},
  own: readonly JsonObject[] = [],
  format: string = facts,
): CaseConfig => ({ listeners: [listener([tcpProxy(config, format)])], clusters: own });

/** Nothing listens on port 1. */
export const nowhere = (extra: JsonObject = {}): JsonObject =>
  cluster("main", {
    load_assignment: {
      cluster_name: "{case}-main",
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } } },
          ],
        },
      ],
    },
    ...extra,
  });

export const says =
  (text: string): Script =>
  async (connection) => {
    await connection.write(text);
    connection.socket.on("end", () => connection.end());
  };
