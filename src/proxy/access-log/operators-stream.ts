import { versionName } from "#http/message.ts";
import { refuse } from "#lib/config-error.ts";
import { type Address, addressText } from "#net/address.ts";
import { flagsLongText, flagsText } from "../response-flags.ts";
import type { StreamInfo } from "../stream-info.ts";
import {
  type FormatEnvironment,
  never,
  number,
  type Operator,
  type OperatorSpec,
  type OperatorTable,
  some,
  text,
} from "./operator.ts";
import { toByteString } from "./parse-format.ts";
import { compileTimeFormat } from "./strftime.ts";

const isoUtc = "%Y-%m-%dT%H:%M:%E3SZ";
const isoLocal = "%Y-%m-%dT%H:%M:%E3S%z";

type TimeSource = (info: StreamInfo, environment: FormatEnvironment) => number | undefined;

/** Of an instant in wall-clock milliseconds, undefined when there is none. */
export function timeOperator(zone: "utc" | "local", source: TimeSource): OperatorSpec {
  return {
    parameter: "optional",
    length: true,
    compile: (parameter, environment) => {
      const format = toByteString(parameter) || (zone === "utc" ? isoUtc : isoLocal);
      if (format.includes("%n"))
        throw refuse("", "Invalid header configuration. Format string contains newline.");
      const toText = compileTimeFormat(format, zone);
      return {
        kind: "string",
        read: (info) => {
          const instant = source(info, environment);
          return instant === undefined ? undefined : toText(instant);
        },
      };
    },
  };
}

const startTime: TimeSource = (info) => info.startWallMs;

/** Whole milliseconds between two instants, undefined when one has not happened. */
function span(from: number, to: number): number | undefined {
  return from === 0 || to === 0 ? undefined : Math.max(0, Math.floor(to - from));
}

const instants: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (i) => i.startMs,
  DS_RX_END: (i) => i.requestEndMs,
  US_CX_BEG: (i) => i.upstreamConnectStartMs,
  US_CX_END: (i) => i.upstreamConnectEndMs,
  US_HS_END: (i) => (i.upstreamTls === undefined ? 0 : i.upstreamConnectEndMs),
  US_TX_BEG: (i) => i.upstreamRequestStartMs,
  US_TX_END: (i) => i.upstreamRequestEndMs,
  US_RX_BEG: (i) => i.upstreamResponseStartMs,
  US_RX_END: (i) => i.upstreamResponseEndMs,
  DS_TX_BEG: (i) => i.responseStartMs,
  DS_TX_END: (i) => i.responseEndMs,
};

const units: Readonly<Record<string, number>> = { ms: 1, us: 1e3, ns: 1e6 };

function commonDuration(parameter: string): Operator {
  const parts = parameter.split(":");
  const [from = "", to = "", unit = ""] = parts;
  const scale = units[unit];
  if (parts.length !== 3 || scale === undefined) {
    throw refuse("", `Invalid common duration configuration: ${parameter}.`);
  }
  const start = instants[from];
  const end = instants[to];
  // Envoy lets filters name instants of their own; none of ours does.
  if (start === undefined || end === undefined) return { kind: "number", read: () => undefined };
  return {
    kind: "number",
    read: (info) => {
      const begun = start(info);
      const ended = end(info);
      return begun === 0 || ended === 0
        ? undefined
        : Math.max(0, Math.floor((ended - begun) * scale));
    },
  };
}

const port = (address: Address | undefined): number | undefined =>
  address === undefined || address.family === "pipe" ? undefined : address.port;
const whole = (address: Address | undefined): string | undefined =>
  address === undefined ? undefined : addressText(address);

/** NAME, NAME_WITHOUT_PORT and NAME with _PORT for _ADDRESS. */
function addressOperators(
  prefix: string,
  read: (info: StreamInfo) => Address | undefined,
): OperatorTable {
  return {
    [`${prefix}_ADDRESS`]: text((i) => whole(read(i))),
    [`${prefix}_ADDRESS_WITHOUT_PORT`]: text((i) => read(i)?.ip),
    [`${prefix}_PORT`]: number((i) => port(read(i))),
  };
}

/** Names of the log entry's kind (envoy.data.accesslog.v3.AccessLogType). */
export function accessLogType(info: StreamInfo): string {
  if (info.accessLogType !== "") return info.accessLogType;
  return info.protocol === undefined ? "TcpConnectionEnd" : "DownstreamEnd";
}

const zero = number(() => 0);

/** Times, sizes, addresses and results: what every stream has, HTTP or TCP. */
export const streamOperators: OperatorTable = {
  START_TIME: timeOperator("utc", startTime),
  START_TIME_LOCAL: timeOperator("local", startTime),
  EMIT_TIME: timeOperator("utc", (_, environment) => environment.clock.wallMs()),
  EMIT_TIME_LOCAL: timeOperator("local", (_, environment) => environment.clock.wallMs()),
  DURATION: number((i) => span(i.startMs, i.endMs)),
  REQUEST_DURATION: number((i) => span(i.startMs, i.requestEndMs)),
  REQUEST_TX_DURATION: number((i) => span(i.startMs, i.upstreamRequestEndMs)),
  RESPONSE_DURATION: number((i) => span(i.startMs, i.upstreamResponseStartMs)),
  RESPONSE_TX_DURATION: number((i) => span(i.upstreamResponseStartMs, i.responseEndMs)),
  ROUNDTRIP_DURATION: never(),
  DOWNSTREAM_HANDSHAKE_DURATION: never(),
  UPSTREAM_CONNECTION_POOL_READY_DURATION: number((i) => poolReady(i)),
  COMMON_DURATION: { parameter: "required", length: false, compile: commonDuration },
  PROTOCOL: text((i) => (i.protocol === undefined ? undefined : versionName(i.protocol))),
  RESPONSE_CODE: number((i) => i.responseCode),
  RESPONSE_CODE_DETAILS: text((i) => some(i.responseCodeDetails)),
  CONNECTION_TERMINATION_DETAILS: text((i) => some(i.connectionTerminationDetails)),
  RESPONSE_FLAGS: text((i) => flagsText(i.responseFlags, i.firstFlag)),
  RESPONSE_FLAGS_LONG: text((i) => flagsLongText(i.responseFlags, i.firstFlag)),
  BYTES_RECEIVED: number((i) => i.bytesReceived),
  BYTES_SENT: number((i) => i.bytesSent),
  BYTES_RETRANSMITTED: zero,
  PACKETS_RETRANSMITTED: zero,
  UPSTREAM_WIRE_BYTES_SENT: number((i) => i.upstreamMeter?.wireSent ?? 0),
  UPSTREAM_WIRE_BYTES_RECEIVED: number((i) => i.upstreamMeter?.wireReceived ?? 0),
  UPSTREAM_HEADER_BYTES_SENT: number((i) => i.upstreamMeter?.headerSent ?? 0),
  UPSTREAM_HEADER_BYTES_RECEIVED: number((i) => i.upstreamMeter?.headerReceived ?? 0),
  // Without header compression (HTTP/1) both are the same number.
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: number((i) => i.upstreamMeter?.headerSent ?? 0),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: number((i) => i.upstreamMeter?.headerReceived ?? 0),
  DOWNSTREAM_WIRE_BYTES_SENT: number((i) => i.downstreamMeter?.wireSent ?? 0),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: number((i) => i.downstreamMeter?.wireReceived ?? 0),
  DOWNSTREAM_HEADER_BYTES_SENT: number((i) => i.downstreamMeter?.headerSent ?? 0),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: number((i) => i.downstreamMeter?.headerReceived ?? 0),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: number((i) => i.downstreamMeter?.headerSent ?? 0),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: number(
    (i) => i.downstreamMeter?.headerReceived ?? 0,
  ),
  ...addressOperators("DOWNSTREAM_REMOTE", (i) => i.remote),
  ...addressOperators("DOWNSTREAM_DIRECT_REMOTE", (i) => i.downstream.directRemote),
  ...addressOperators("DOWNSTREAM_LOCAL", (i) => i.downstream.local),
  ...addressOperators("DOWNSTREAM_DIRECT_LOCAL", (i) => i.downstream.directLocal),
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: text(() => ""),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: text(() => ""),
  DOWNSTREAM_DETECTED_CLOSE_TYPE: text(() => "Normal"),
  DOWNSTREAM_LOCAL_CLOSE_REASON: never(),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: text((i) =>
    some(i.downstreamTransportFailureReason.replaceAll(" ", "_")),
  ),
  CONNECTION_ID: number((i) => i.downstream.connectionId),
  ROUTE_NAME: text((i) => some(i.routeName)),
  VIRTUAL_CLUSTER_NAME: text((i) => some(i.virtualClusterName)),
  FILTER_CHAIN_NAME: text((i) => some(i.downstream.filterChainName)),
  LISTENER_NAME: text((i) => some(i.downstream.listenerName)),
  ACCESS_LOG_TYPE: text(accessLogType),
  CUSTOM_FLAGS: text(() => ""),
};

function poolReady(info: StreamInfo): number | undefined {
  if (info.upstreamHost === undefined) return undefined;
  return span(info.upstreamConnectStartMs, info.upstreamConnectEndMs) ?? 0;
}

/** What is the same for every stream, or made anew for each line. */
export const environmentOperators: OperatorTable = {
  HOSTNAME: {
    parameter: "none",
    length: false,
    compile: (_, environment) => ({ kind: "string", read: () => environment.hostname }),
  },
  ENVIRONMENT: {
    parameter: "required",
    length: true,
    compile: (parameter, environment) => {
      // Envoy's value for an unset variable is "-" itself, in every kind of format.
      const value = toByteString(environment.variables[parameter] ?? "-");
      return { kind: "string", read: () => value };
    },
  },
  UNIQUE_ID: {
    parameter: "none",
    length: false,
    compile: (_, environment) => ({ kind: "string", read: () => environment.random.uuid() }),
  },
};
