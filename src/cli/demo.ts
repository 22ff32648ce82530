import { existsSync, readFileSync } from "node:fs";
import { delimiter, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { CommandContext } from "./context.ts";
import { command, examples, parseFlags, portFlag, positiveFlag, UsageError } from "./flags.ts";
import { readKeys } from "./mesh/keys.ts";
import { proxyProgram, runSession, type Session } from "./mesh/session.ts";
import { Traffic } from "./mesh/traffic.ts";
import type { Project } from "./project/project.ts";
import { projectEnvironment, readProject } from "./project/read-project.ts";

interface DemoFlags {
  readonly dir: string;
  readonly port?: string;
  readonly xdsPort: string;
  readonly apiPort: string;
  /** A number, or false: --no-traffic. */
  readonly traffic: string | false;
  readonly for?: string;
  readonly proxy?: string;
}

const sample = fileURLToPath(new URL("../../samples/bookinfo", import.meta.url));
const binary = fileURLToPath(new URL("../../bin/heddle", import.meta.url));
const firstPort = 9080;
const portsTried = 100;
const perSecondMax = 1000;
const secondsMax = 86_400;

interface DemoOptions {
  readonly stateFolder: string;
  /** Undefined: the first free one from 9080 on. */
  readonly port: number | undefined;
  readonly discoveryPort: number;
  readonly apiPort: number;
  readonly perSecond: number;
  /** Undefined: until somebody ends it. */
  readonly seconds: number | undefined;
  readonly proxy: ReturnType<typeof proxyProgram>;
}

/** `heddle demo`: Bookinfo in a mesh, with visitors. */
export async function runDemo(argv: readonly string[], context: CommandContext): Promise<number> {
  const options = parse(argv, context);
  if (typeof options === "number") return options;
  const { stateFolder, discoveryPort, apiPort, proxy } = options;
  context.terminal.stdout.write(
    "\n  starting a control plane, a gateway, and six programs with a proxy each …\n",
  );
  return runSession({
    ...{ stateFolder, discoveryPort, apiPort, proxy, context },
    project: bookinfo(options.port, context),
    quiet: true,
    onReady: (session) => new Demo(session, options, context).run(),
  });
}

/** What people see and do while it runs. */
class Demo {
  readonly #session: Session;
  readonly #options: DemoOptions;
  readonly #context: CommandContext;
  constructor(session: Session, options: DemoOptions, context: CommandContext) {
    this.#session = session;
    this.#options = options;
    this.#context = context;
  }

  async run(): Promise<void> {
    const { interrupts } = this.#session;
    const { perSecond, seconds } = this.#options;
    const { clock } = this.#context;
    const traffic = new Traffic({
      port: this.#port(),
      path: "/productpage",
      perSecond: perSecond || 1,
      // Every third visitor is signed in, so that rules about jason have something to do.
      users: [undefined, undefined, "jason"],
      clock,
    });
    if (perSecond > 0) traffic.start();
    this.#announce(perSecond > 0);
    const endKeys =
      this.#context.input && readKeys(this.#context.input, (key) => this.#onKey(key, traffic));
    const timer =
      seconds === undefined
        ? undefined
        : clock.after(seconds * 1000, () => interrupts.raise("SIGTERM"));
    await interrupts.first;
    timer?.cancel();
    endKeys?.();
    traffic.destroy();
    const { sent, good, bad } = traffic.count;
    this.#print(
      sent === 0
        ? "\nstopping"
        : `\nstopping; demo traffic: ${sent} requests, ${good} answered, ${bad} failed`,
    );
  }

  #onKey(key: string, traffic: Traffic): void {
    const { interrupts } = this.#session;
    if (key === "ctrl-c" || key === "q") interrupts.raise("SIGINT");
    if (key !== "t") return;
    if (traffic.running) traffic.stop();
    else traffic.start();
    const { sent, bad } = traffic.count;
    this.#print(
      `demo traffic ${traffic.running ? "on" : "off"} (${sent} requests so far, ${bad} failed)`,
    );
  }

  #announce(withTraffic: boolean): void {
    const { mesh, controlPlane, startedInMs } = this.#session;
    const { discovery } = controlPlane;
    const { perSecond } = this.#options;
    const keys = this.#context.input?.isTTY === true;
    const programs = mesh.members.length;
    const proxies = programs + (mesh.gateway === undefined ? 0 : 1);
    const services = mesh.members.map(
      ({ service, release }) => `${service.name} ${release.version}`,
    );
    const rules = relative(this.#context.folder, join(sample, "networking")) || ".";
    this.#print(`
  control plane   xds ${discovery.host}:${discovery.port}, configuration ${controlPlane.api}
  bookinfo        ${services.join(" · ")}
                  ${programs} programs, ${proxies} proxies, up in ${(startedInMs / 1000).toFixed(1)} s
  demo traffic    ${withTraffic ? `${perSecond} requests a second${keys ? " (t: off and on)" : ""}` : "none"}

  Open    http://localhost:${this.#port()}/productpage
          Reload: the stars come from whichever reviews answers, none (v1), black (v2) or red (v3).
          Sign in as jason; some rules are about jason.

  Next    ${nextSteps(rules, this.#command()).join("\n          ")}

  Ctrl-C stops everything. State is kept in ${relative(this.#context.folder, this.#options.stateFolder) || "."}.
`);
  }

  /** As it can be typed here: in a clone heddle is not on the path. */
  #command(): string {
    const { terminal, folder } = this.#context;
    // npx puts it on the path of what it runs, and of nothing else.
    if (terminal.environment["npm_command"] === "exec") return "npx heddle";
    return onPath("heddle", terminal.environment) ? "heddle" : relative(folder, binary);
  }

  #port(): number {
    return this.#session.mesh.gateway?.ports[0]?.local ?? 0;
  }

  #print(text: string): void {
    this.#context.terminal.stdout.write(`${text}\n`);
  }
}

/** What to try: commands that exist, no others. */
function nextSteps(rules: string, heddle: string): readonly string[] {
  return [
    `${heddle} apply -f ${join(rules, "virtual-service-all-v1.yaml")}`,
    "        everything to v1: no stars",
    `${heddle} apply -f ${join(rules, "virtual-service-reviews-test-v2.yaml")}`,
    "        jason sees v2, everybody else v1",
    `${heddle} undo   takes the last change back;   ${heddle} history   says who changed what`,
  ];
}

function bookinfo(port: number | undefined, { terminal, self }: CommandContext): Project {
  const file = join(sample, "heddle.yaml");
  const project = readProject({
    file,
    name: file,
    text: readFileSync(file, "utf8"),
    environment: projectEnvironment(terminal.environment, self),
  });
  const local = port ?? firstPort;
  const orNext = port === undefined ? portsTried : 0;
  const gateway = { ports: [{ local, gateway: 8080, orNext }] };
  if (onPath("python3", terminal.environment)) return { ...project, gateway };
  terminal.stderr.write(
    "heddle demo: python3 is not installed, so details, which is written in Python, is left out; the page says so where the details would be\n",
  );
  const services = project.services
    .filter(({ name }) => name !== "details")
    .map((service) => ({
      ...service,
      dependsOn: service.dependsOn.filter((name) => name !== "details"),
    }));
  return { ...project, gateway, services };
}

function onPath(
  program: string,
  { PATH: path = "" }: CommandContext["terminal"]["environment"],
): boolean {
  return path.split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, program)));
}

function parse(argv: readonly string[], context: CommandContext): DemoOptions | number {
  const { terminal, folder } = context;
  const parser = command("demo", terminal)
    .description(
      "Runs Bookinfo in a mesh: a control plane, an ingress gateway, six programs with a proxy each, and visitors.",
    )
    .option("--dir <folder>", "where state is kept", ".heddle")
    .option("--port <port>", "of the page (the first free one from 9080 on)")
    .option("--xds-port <port>", "where proxies find the control plane; 0: any", "0")
    .option("--api-port <port>", "where heddle apply and others find it; 0: any", "0")
    .option("--traffic <number>", "requests a second", "5")
    .option("--no-traffic", "no visitors but you")
    .option("--for <seconds>", "end by itself")
    .option("--proxy <path>", "an Envoy to run instead of Heddle's own proxy");
  examples(parser, [
    "heddle demo",
    "heddle demo --port 8000 --no-traffic",
    "heddle demo --for 60 --dir /tmp/demo",
  ]);
  return parseFlags(parser, argv, {
    terminal,
    read: () => {
      const flags = parser.opts<DemoFlags>();
      const { port, traffic, for: seconds } = flags;
      if (!existsSync(sample))
        throw new UsageError(`${sample} is missing: the package is not whole`);
      return {
        stateFolder: resolve(folder, flags.dir),
        port: port === undefined ? undefined : portFlag("--port", port),
        discoveryPort: portFlag("--xds-port", flags.xdsPort),
        apiPort: portFlag("--api-port", flags.apiPort),
        perSecond: traffic === false ? 0 : positiveFlag("--traffic", traffic, perSecondMax),
        seconds: seconds === undefined ? undefined : positiveFlag("--for", seconds, secondsMax),
        proxy: proxyProgram(flags.proxy, context),
      };
    },
  });
}
