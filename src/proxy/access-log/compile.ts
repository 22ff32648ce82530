import type { AccessLogJson } from "#gen/envoy/config/accesslog/v3/accesslog_pb.js";
import type { FileAccessLogJson } from "#gen/envoy/extensions/access_loggers/file/v3/file_pb.js";
import type { StdoutAccessLogJson } from "#gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Services } from "../services.ts";
import type { AccessLog, Formatter } from "./access-log.ts";
import { type AccessLogPredicate, compileAccessLogFilter } from "./filters.ts";
import {
  compileSubstitutionFormatString,
  compileTextFormat,
  defaultLogFormat,
} from "./formatter.ts";
import { compileJsonFormat } from "./json-format.ts";
import type { AccessLogSink } from "./sinks.ts";

type LogServices = Pick<Services, "runtime" | "random" | "logSinks">;

const prefix = "type.googleapis.com/envoy.extensions.access_loggers.";

/** `access_log` entries of a connection manager, a TCP proxy, a listener … to closures. */
export function compileAccessLogs(
  configs: readonly AccessLogJson[] | undefined,
  services: LogServices,
): AccessLog[] {
  return compileEach("", configs, (config) => compileAccessLog(config, services));
}

function compileAccessLog(config: AccessLogJson, services: LogServices): AccessLog {
  const { filter, typedConfig } = config;
  const matches =
    filter === undefined
      ? undefined
      : within("filter", () => compileAccessLogFilter(filter, services));
  if (typedConfig === undefined) throw refuse("typed_config", "is required");
  const { format, sink } = within("typed_config", () => compileLogger(typedConfig, services));
  return entry(matches, format, sink);
}

function entry(
  matches: AccessLogPredicate | undefined,
  format: Formatter,
  sink: AccessLogSink,
): AccessLog {
  if (matches === undefined) return { log: (info) => sink.write(format(info)) };
  return {
    log: (info) => {
      if (matches(info)) sink.write(format(info));
    },
  };
}

interface Logger {
  readonly format: Formatter;
  readonly sink: AccessLogSink;
}

function compileLogger(
  typedConfig: NonNullable<AccessLogJson["typedConfig"]>,
  services: LogServices,
): Logger {
  const type = String(typedConfig["@type"]);
  switch (type) {
    case `${prefix}file.v3.FileAccessLog`:
      // The loader has checked the message against the type that "@type" names.
      return compileFile(typedConfig as FileAccessLogJson, services);
    case `${prefix}stream.v3.StdoutAccessLog`:
      return {
        format: compileLogFormat(typedConfig as StdoutAccessLogJson),
        sink: services.logSinks.stdout,
      };
    case `${prefix}stream.v3.StderrAccessLog`:
      return {
        format: compileLogFormat(typedConfig as StdoutAccessLogJson),
        sink: services.logSinks.stderr,
      };
    default:
      throw refuse("@type", `access logger ${type} is not supported`);
  }
}

function compileFile(config: FileAccessLogJson, services: LogServices): Logger {
  const { path = "" } = config;
  if (path === "") throw refuse("path", "must not be empty");
  return { format: compileFileFormat(config), sink: services.logSinks.file(path) };
}

/** Its own three older fields, `log_format`, or the default line. */
function compileFileFormat(config: FileAccessLogJson): Formatter {
  const { format, jsonFormat, typedJsonFormat } = config;
  if (format !== undefined) {
    return within("format", () => compileTextFormat(format === "" ? defaultLogFormat : format));
  }
  const json = jsonFormat ?? typedJsonFormat;
  if (json !== undefined) {
    const path = jsonFormat === undefined ? "typed_json_format" : "json_format";
    return within(path, () => compileJsonFormat(json, { omitEmptyValues: false }));
  }
  return compileLogFormat(config);
}

function compileLogFormat({ logFormat }: Pick<StdoutAccessLogJson, "logFormat">): Formatter {
  if (logFormat === undefined) return compileTextFormat(defaultLogFormat);
  return within("log_format", () => compileSubstitutionFormatString(logFormat).format);
}
