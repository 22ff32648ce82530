/** The command line of `heddle pilot`: flags of `pilot-discovery discovery`, where they make sense here. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";

const logLevels = ["debug", "info", "warning", "error", "off"] as const;

export interface ListenText {
  /** Undefined: every address of the machine. */
  readonly host: string | undefined;
  readonly port: number;
}

export interface PilotFlags {
  /** xDS over gRPC, without TLS. */
  readonly grpcAddr: ListenText;
  /** REST discovery, /ready, /metrics, /debug. */
  readonly httpAddr: ListenText;
  readonly configDirs: readonly string[];
  /** What was applied and who is registered; undefined: kept as long as the process lives. */
  readonly stateDir: string | undefined;
  readonly meshConfig: string | undefined;
  readonly domain: string;
  readonly clusterId: string;
  readonly shutdownMs: number;
  readonly debounceAfterMs: number;
  readonly debounceMaxMs: number;
  readonly pushThrottle: number;
  readonly logLevel: (typeof logLevels)[number];
  readonly logFormat: "text" | "json";
}

/** The command line asks for no Pilot: print `output` and end with `exit`. */
export interface FlagsExit {
  readonly exit: number;
  readonly stream: "stdout" | "stderr";
  readonly output: string;
}

/** sysexits' EX_USAGE (docs/reference/exit-codes.md). */
const usageExit = 64;

const kubernetes = "Kubernetes is not supported yet";
const tls = "TLS towards proxies is not supported yet: use --grpcAddr";

/** Istio's flags that Heddle does not have; each is refused with its reason. */
const refused: Readonly<Record<string, string>> = {
  "--kubeconfig": kubernetes,
  "--kubernetesApiQPS": kubernetes,
  "--kubernetesApiBurst": kubernetes,
  "--registries": kubernetes,
  "--clusterRegistriesNamespace": kubernetes,
  "--clusterAliases": kubernetes,
  "--namespace": kubernetes,
  "--cniNamespace": kubernetes,
  "--secureGRPCAddr": tls,
  "--httpsAddr": tls,
  "--caCertFile": tls,
  "--tlsCertFile": tls,
  "--tlsKeyFile": tls,
  "--tls-cipher-suites": tls,
  "--tls-min-version": tls,
  "--networksConfig": "networks are not supported yet",
  "--monitoringAddr": "metrics are at --httpAddr",
  "--ctrlz_port": "there is no ControlZ: see /debug at --httpAddr",
  "--profile": "start node with --cpu-prof",
};

interface RawFlags {
  readonly grpcAddr: ListenText;
  readonly httpAddr: ListenText;
  readonly configDir: readonly string[];
  readonly stateDir?: string;
  readonly meshConfig?: string;
  readonly domain: string;
  readonly clusterID: string;
  readonly shutdownDuration: number;
  readonly debounceAfter: number;
  readonly debounceMax: number;
  readonly pushThrottle: number;
  readonly logLevel: PilotFlags["logLevel"];
  readonly logFormat: PilotFlags["logFormat"];
}

export function parsePilotFlags(argv: readonly string[]): PilotFlags | FlagsExit {
  let output = "";
  const write = (text: string): void => {
    output += text;
  };
  const command = defineFlags()
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: write });
  try {
    refuseFlags(argv);
    command.parse(argv, { from: "user" });
    return flagsOf(command.opts<RawFlags>());
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { exit: 0, stream: "stdout", output };
    const text = output === "" ? `${error.message}\n` : output;
    return { exit: usageExit, stream: "stderr", output: `heddle pilot: ${text}` };
  }
}

function defineFlags(): Command {
  const address = (flags: string, text: string, absent: string) =>
    new Option(flags, text).argParser(listenText).default(listenText(absent), absent);
  const time = (flags: string, text: string, absent: string) =>
    new Option(flags, text).argParser(milliseconds).default(milliseconds(absent), absent);
  return new Command("heddle pilot")
    .description("Runs the control plane: Istio configuration in, xDS out.")
    .helpOption("-h, --help", "print this text")
    .allowExcessArguments(false)
    .addOption(address("--grpcAddr <address>", "xDS over gRPC", ":15010"))
    .addOption(address("--httpAddr <address>", "REST discovery, metrics, /debug", ":8080"))
    .addOption(
      new Option("--configDir <folder>", "YAML of Istio's kinds, watched; may be given again")
        .argParser((value: string, before: readonly string[]) => [...before, value])
        .default([], "none"),
    )
    .option("--stateDir <folder>", "where applied configuration and registrations are kept")
    .option("--meshConfig <file>", "MeshConfig, as the ConfigMap's `mesh`")
    .option("--domain <domain>", "of services' names", "cluster.local")
    .option("--clusterID <name>", "of endpoints that name none", "Kubernetes")
    .addOption(time("--shutdownDuration <time>", "time that streams have to end", "10s"))
    .addOption(time("--debounceAfter <time>", "quiet before a push", "100ms"))
    .addOption(time("--debounceMax <time>", "at most until a push", "10s"))
    .addOption(
      new Option("--pushThrottle <number>", "proxies at work on a push at a time")
        .argParser(positive)
        .default(100),
    )
    .addOption(new Option("--log-level <level>", "of the log").choices(logLevels).default("info"))
    .addOption(
      new Option("--log-format <format>", "of log lines").choices(["text", "json"]).default("text"),
    );
}

function refuseFlags(argv: readonly string[]): void {
  for (const argument of argv) {
    const name = argument.split("=", 1)[0] ?? "";
    const reason = Object.hasOwn(refused, name) ? refused[name] : undefined;
    if (reason !== undefined)
      throw new CommanderError(usageExit, "heddle.refused", `${name}: ${reason}`);
  }
}

function flagsOf(raw: RawFlags): PilotFlags {
  return {
    grpcAddr: raw.grpcAddr,
    httpAddr: raw.httpAddr,
    configDirs: raw.configDir,
    stateDir: raw.stateDir,
    meshConfig: raw.meshConfig,
    domain: raw.domain,
    clusterId: raw.clusterID,
    shutdownMs: raw.shutdownDuration,
    debounceAfterMs: raw.debounceAfter,
    debounceMaxMs: raw.debounceMax,
    pushThrottle: raw.pushThrottle,
    logLevel: raw.logLevel,
    logFormat: raw.logFormat,
  };
}

/** `:15010`, `127.0.0.1:0`, `[::1]:15010` */
function listenText(text: string): ListenText {
  const [, host = "", port = ""] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  if (port === "" || Number(port) > 65_535)
    throw new InvalidArgumentError("It must be host:port or :port, such as :15010.");
  const bare = host.replace(/^\[|\]$/g, "");
  return { host: bare === "" ? undefined : bare, port: Number(port) };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

function milliseconds(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  const factor = units[unit];
  if (factor === undefined)
    throw new InvalidArgumentError("It must be a time, such as 100ms or 10s.");
  return Number(number) * factor;
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It must be a number above 0.");
  return Number(text);
}
