/** The command line of `heddle proxy`: Envoy's flags, in Envoy's words, with Envoy's defaults. */
import { availableParallelism } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";

const logLevels = ["trace", "debug", "info", "warning", "error", "critical", "off"] as const;
const modes = ["serve", "validate", "init_only"] as const;

export type LogLevel = (typeof logLevels)[number];

export interface ProxyFlags {
  readonly configPath: string | undefined;
  readonly configYaml: string | undefined;
  readonly mode: (typeof modes)[number];
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly componentLogLevels: ReadonlyMap<string, LogLevel>;
  readonly logPath: string | undefined;
  readonly logFormat: "text" | "json";
  readonly drainTimeMs: number;
  readonly drainStrategy: "gradual" | "immediate";
  readonly parentShutdownTimeMs: number;
  readonly adminAddressPath: string | undefined;
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
  readonly baseId: number;
  readonly localAddressIpVersion: "v4" | "v6";
  readonly fileFlushIntervalMs: number;
  readonly fileFlushBytesMin: number;
  /** `--stats-tag`: a label of every stat. */
  readonly statsTags: ReadonlyMap<string, string>;
  /** Fields that are newer than Heddle, in what a control plane sends. */
  readonly unknownDynamicFields: "count" | "ignore" | "reject";
  /** A folder for the last good resources of control planes. */
  readonly xdsSavePath: string | undefined;
}

/** The command line asks for no proxy: print `output` and end with `exit`. */
export interface FlagsExit {
  readonly exit: number;
  readonly stream: "stdout" | "stderr";
  readonly output: string;
}

/** sysexits' EX_USAGE (docs/reference/exit-codes.md). */
const usageExit = 64;

const hotRestart = "hot restart is not supported yet";
const strict = "Heddle refuses unknown fields of files everywhere";
const logging = "the log has one format, set by --log-format";

/** Envoy's flags that Heddle does not have; each is refused with its reason, and not as a word nobody knows. */
const refused: Readonly<Record<string, string>> = {
  "--enable-core-dump": "set the limit with ulimit -c",
  "--disable-extensions": "extensions are loaded only when a configuration names them",
  "--enable-mutex-tracing": "there are no mutexes to trace",
  "--enable-fine-grain-logging": "use --component-log-level",
  "--log-format-escaped": logging,
  "--log-stacktrace-single-entry": logging,
  "--allow-unknown-static-fields": strict,
  "--allow-unknown-fields": strict,
  "--base-id-path": hotRestart,
};

/** What others' command lines hold and what changes nothing here. */
const withoutEffect: readonly (readonly [flags: string, text: string])[] = [
  ["--disable-hot-restart", "as it is anyway"],
  ["--use-dynamic-base-id", "proxies of one host share nothing"],
  ["--skip-hot-restart-parent-stats", "there is no parent"],
  ["--skip-hot-restart-on-no-parent", "there is no parent"],
  ["--socket-path <path>", "for hot restart"],
  ["--socket-mode <mode>", "for hot restart"],
  ["--skip-deprecated-logs", "deprecated fields are not logged"],
  ["--cpuset-threads", "as it is anyway"],
];

export function parseProxyFlags(argv: readonly string[], version = ""): ProxyFlags | FlagsExit {
  let output = "";
  const command = defineFlags(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        output += text;
      },
      writeErr: (text) => {
        output += text;
      },
    });
  try {
    refuseFlags(argv);
    command.parse(argv, { from: "user" });
    // Envoy's answer where hot restart is off.
    if (command.opts<RawFlags>().hotRestartVersion === true)
      return { exit: 0, stream: "stdout", output: "disabled\n" };
    return flagsOf(command.opts<RawFlags>());
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { exit: 0, stream: "stdout", output };
    const text = output === "" ? `${error.message}\n` : output;
    return { exit: usageExit, stream: "stderr", output: `heddle proxy: ${text}` };
  }
}

interface RawFlags {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: (typeof modes)[number];
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly componentLogLevel: ReadonlyMap<string, LogLevel>;
  readonly logPath?: string;
  readonly logFormat: "text" | "json";
  readonly drainTimeS: number;
  readonly drainStrategy: "gradual" | "immediate";
  readonly parentShutdownTimeS: number;
  readonly adminAddressPath?: string;
  readonly serviceNode: string;
  readonly serviceCluster: string;
  readonly serviceZone: string;
  readonly baseId: number;
  readonly localAddressIpVersion: "v4" | "v6";
  readonly fileFlushIntervalMsec: number;
  readonly fileFlushMinSizeKb: number;
  readonly statsTag: ReadonlyMap<string, string>;
  readonly hotRestartVersion?: boolean;
  readonly rejectUnknownDynamicFields?: boolean;
  readonly ignoreUnknownDynamicFields?: boolean;
  readonly xdsSavePath?: string;
}

function defineFlags(version: string): Command {
  const choice = (flags: string, text: string, choices: readonly string[], absent: string) =>
    new Option(flags, text).choices(choices).default(absent);
  const count = (flags: string, text: string, absent: number) =>
    new Option(flags, text).argParser(unsigned).default(absent);
  const command = new Command("heddle proxy")
    .description("Runs the data plane with an Envoy v3 configuration.")
    .helpOption("-h, --help", "print this text")
    .allowExcessArguments(false)
    .option("-c, --config-path <file>", "configuration: .yaml, .yml, .json or .pb")
    .option("--config-yaml <text>", "inline YAML, merged over the file")
    .addOption(choice("--mode <mode>", "serve, or check the configuration and end", modes, "serve"))
    .addOption(count("--concurrency <number>", "worker threads", availableParallelism()))
    .addOption(
      new Option("-l, --log-level <level>", logLevels.join(", ")).argParser(level).default("info"),
    )
    .addOption(
      new Option("--component-log-level <list>", "such as upstream:debug,config:trace")
        .argParser(componentLevels)
        .default(new Map(), "none"),
    )
    .option("--log-path <file>", "write the log there and not to stderr")
    .addOption(choice("--log-format <format>", "form of log lines", ["text", "json"], "text"))
    .addOption(count("--drain-time-s <seconds>", "time that connections have to end", 600))
    .addOption(
      choice("--drain-strategy <name>", "how draining begins", ["gradual", "immediate"], "gradual"),
    )
    .addOption(count("--parent-shutdown-time-s <seconds>", "for hot restart", 900))
    .option("--admin-address-path <file>", "write the admin port's address there")
    .option("--service-node <id>", "node.id", "")
    .option("--service-cluster <name>", "node.cluster", "")
    .option("--service-zone <name>", "node.locality.zone", "")
    .addOption(count("--base-id <number>", "for hot restart", 0))
    .addOption(
      choice("--local-address-ip-version <version>", "of the local address", ["v4", "v6"], "v4"),
    )
    .addOption(count("--file-flush-interval-msec <ms>", "access logs are flushed so often", 10_000))
    .addOption(count("--file-flush-min-size-kb <kb>", "and when they hold so much", 64))
    .addOption(
      new Option("--stats-tag <name:value>", "a label of every stat; may be given again")
        .argParser(statsTag)
        .default(new Map(), "none"),
    )
    .option("--reject-unknown-dynamic-fields", "refuse resources with fields that are not known")
    .option("--ignore-unknown-dynamic-fields", "do not even count them")
    .option("--xds-save-path <folder>", "keep there what control planes sent last")
    .option("--hot-restart-version", "print 'disabled'");
  for (const [flags, text] of withoutEffect) command.option(flags, text);
  command.addOption(
    new Option("--restart-epoch <number>", "0: nothing was before").argParser(firstEpoch),
  );
  return version === "" ? command : command.version(`heddle ${version}`, "--version");
}

function refuseFlags(argv: readonly string[]): void {
  for (const argument of argv) {
    const name = argument.split("=", 1)[0] ?? "";
    const reason = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (reason !== undefined) {
      throw new CommanderError(usageExit, "heddle.refused", `${name} is not supported: ${reason}`);
    }
  }
}

function flagsOf(raw: RawFlags): ProxyFlags {
  if (raw.configPath === undefined && raw.configYaml === undefined) {
    throw new CommanderError(
      usageExit,
      "heddle.noConfig",
      "at least one of --config-path or --config-yaml is needed",
    );
  }
  return {
    configPath: raw.configPath,
    configYaml: raw.configYaml,
    mode: raw.mode,
    // Like Envoy, 0 is 1.
    concurrency: Math.max(1, raw.concurrency),
    // Every line of the log is of this component.
    logLevel: raw.componentLogLevel.get("main") ?? raw.logLevel,
    componentLogLevels: raw.componentLogLevel,
    logPath: raw.logPath,
    logFormat: raw.logFormat,
    drainTimeMs: raw.drainTimeS * 1000,
    drainStrategy: raw.drainStrategy,
    parentShutdownTimeMs: raw.parentShutdownTimeS * 1000,
    adminAddressPath: raw.adminAddressPath,
    serviceNode: raw.serviceNode,
    serviceCluster: raw.serviceCluster,
    serviceZone: raw.serviceZone,
    baseId: raw.baseId,
    localAddressIpVersion: raw.localAddressIpVersion,
    fileFlushIntervalMs: raw.fileFlushIntervalMsec,
    fileFlushBytesMin: raw.fileFlushMinSizeKb * 1024,
    statsTags: raw.statsTag,
    unknownDynamicFields: unknownFieldsOf(raw),
    xdsSavePath: raw.xdsSavePath,
  };
}

function unknownFieldsOf(raw: RawFlags): ProxyFlags["unknownDynamicFields"] {
  if (raw.rejectUnknownDynamicFields === true) return "reject";
  return raw.ignoreUnknownDynamicFields === true ? "ignore" : "count";
}

function unsigned(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > 0xffff_ffff) {
    throw new InvalidArgumentError("It is not a whole number below 2^32.");
  }
  return number;
}

function level(text: string): LogLevel {
  const found = logLevels.find((name) => name === text || (name === "warning" && text === "warn"));
  if (found === undefined) throw new InvalidArgumentError(`It is none of ${logLevels.join(", ")}.`);
  return found;
}

function componentLevels(text: string): ReadonlyMap<string, LogLevel> {
  const levels = new Map<string, LogLevel>();
  for (const part of text.split(",")) {
    const [component = "", name = ""] = part.split(":");
    if (component === "" || name === "") {
      throw new InvalidArgumentError(`"${part}" is not like upstream:debug.`);
    }
    levels.set(component, level(name));
  }
  return levels;
}

function firstEpoch(text: string): number {
  if (unsigned(text) === 0) return 0;
  throw new CommanderError(
    usageExit,
    "heddle.refused",
    `--restart-epoch is not supported: ${hotRestart}`,
  );
}

function statsTag(text: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [, name = "", value = ""] = /^([A-Za-z0-9]+):([^.]+)$/.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError(`"${text}" is not like name:value.`);
  if (before.has(name)) throw new InvalidArgumentError(`"${name}" is there already.`);
  return new Map([...before, [name, value]]);
}
