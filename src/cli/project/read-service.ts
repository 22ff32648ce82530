import { resolve } from "node:path";
import { parsePort, parseUpstream, portName } from "./port-text.ts";
import {
  appProtocols,
  type HealthSpec,
  type PortSpec,
  type ReleaseSpec,
  restartPolicies,
  type ServiceSpec,
  type UpstreamSpec,
} from "./project.ts";
import type { Item, Values } from "./values.ts";
import { type Environment, expand, shellSign, splitWords } from "./words.ts";

const serviceFields = [
  "command",
  "port",
  "ports",
  "version",
  "versions",
  "env",
  "environment",
  "depends_on",
  "health",
  "replicas",
  "cwd",
  "restart",
  "upstreams",
  "namespace",
] as const;

/** What a version may have that is different from the others. */
const releaseFields = ["command", "env", "environment", "health", "replicas", "cwd"] as const;

type Fields = Partial<Record<(typeof serviceFields)[number], Item>>;

const replicasMax = 50;
const versionsMax = 50;
const defaultHealthMs = 30_000;
const defaultPort: PortSpec = {
  port: 80,
  target: undefined,
  protocol: "http",
  name: portName("http", 80),
};

interface ReaderOptions {
  readonly values: Values;
  readonly folder: string;
  readonly environment: Environment;
  readonly namespace: string;
}

/** Reads one service of heddle.yaml. */
export class ServiceReader {
  readonly #values: Values;
  readonly #folder: string;
  readonly #environment: Environment;
  readonly #namespace: string;

  constructor({ values, folder, environment, namespace }: ReaderOptions) {
    this.#values = values;
    this.#folder = folder;
    this.#environment = environment;
    this.#namespace = namespace;
  }

  read(name: string, item: Item): ServiceSpec {
    const fields: Fields = this.#values.fields(item, serviceFields);
    this.#notBoth(fields, "port", "ports");
    this.#notBoth(fields, "version", "versions");
    this.#notBoth(fields, "env", "environment");
    const { namespace, depends_on: dependsOn } = fields;
    return {
      name,
      namespace: (namespace && this.#values.label(namespace)) ?? this.#namespace,
      ports: this.#ports(fields),
      releases: this.#releases(item, fields),
      dependsOn: dependsOn === undefined ? [] : this.#dependencies(dependsOn),
    };
  }

  #notBoth(fields: Fields, one: keyof Fields, other: keyof Fields): void {
    const second = fields[other];
    if (fields[one] !== undefined && second !== undefined)
      this.#values.problems.add(second.place, `"${one}" and "${other}" exclude each other`, "key");
  }

  #ports({ port, ports }: Fields): readonly PortSpec[] {
    const list = ports !== undefined ? this.#values.list(ports) : port !== undefined ? [port] : [];
    const specs = list.flatMap((item) => this.#port(item));
    const place = ports?.place ?? port?.place;
    if (place !== undefined && new Set(specs.map((spec) => spec.port)).size < specs.length)
      this.#values.problems.add(place, "a port is there twice");
    return port === undefined && ports === undefined ? [defaultPort] : specs;
  }

  #port(item: Item): readonly PortSpec[] {
    const { value, place } = item;
    if (typeof value === "number" || typeof value === "string") {
      const spec = parsePort(String(value));
      if (typeof spec !== "string") return [spec];
      this.#values.problems.add(place, spec);
      return [];
    }
    const fields = this.#values.fields(item, ["port", "target", "protocol", "name"]);
    if (fields.port === undefined) {
      this.#values.problems.add(place, 'is missing "port"');
      return [];
    }
    const port = this.#values.port(fields.port);
    const target = fields.target && this.#values.port(fields.target);
    const protocol =
      (fields.protocol && this.#values.choice(fields.protocol, appProtocols)) ?? "http";
    const name = fields.name && this.#values.label(fields.name);
    if (port === undefined) return [];
    return [{ port, target, protocol, name: name ?? portName(protocol, port) }];
  }

  #releases(item: Item, fields: Fields): readonly ReleaseSpec[] {
    const { version, versions } = fields;
    if (versions === undefined) {
      const name = (version && this.#version(version)) ?? "v1";
      return this.#release(item, name, fields);
    }
    const named = this.#versions(versions);
    if (named.length === 0) this.#values.problems.add(versions.place, "names no version");
    if (named.length > versionsMax)
      this.#values.problems.add(versions.place, `more than ${versionsMax} versions`);
    return named.slice(0, versionsMax).flatMap(([name, at]) => {
      if (at === undefined) return this.#release(item, name, fields);
      const own: Fields = this.#values.fields(at, releaseFields);
      return this.#release(item, name, { ...fields, ...own }, fields);
    });
  }

  /** `[v1, v2]`, or a mapping of each to what is its own. */
  #versions(item: Item): readonly (readonly [string, Item | undefined])[] {
    if (Array.isArray(item.value))
      return this.#values.list(item).flatMap((at) => {
        const name = this.#version(at);
        return name === undefined ? [] : [[name, undefined] as const];
      });
    return this.#values.entries(item).map(([name, at]) => {
      this.#version({ place: at.place, value: name });
      return [name, at.value === null ? undefined : at] as const;
    });
  }

  /** A label's value, and part of a workload's name. */
  #version(item: Item): string | undefined {
    const text = this.#values.text(item);
    if (text === undefined || /^[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?$/.test(text)) return text;
    this.#values.problems.add(item.place, `"${text}" is not a version such as v1 or 2.0`);
    return undefined;
  }

  #release(
    item: Item,
    version: string,
    fields: Fields,
    shared: Fields = fields,
  ): readonly ReleaseSpec[] {
    const { command, cwd, health, replicas, restart, upstreams } = fields;
    if (command === undefined) {
      this.#values.problems.add(item.place, 'is missing "command": the program to run');
      return [];
    }
    const folder = cwd && this.#expanded(cwd);
    return [
      {
        version,
        command: this.#command(command),
        cwd: folder === undefined ? this.#folder : resolve(this.#folder, folder),
        // A version's variables come over those of all versions.
        env: { ...this.#env(shared), ...(shared === fields ? {} : this.#env(fields)) },
        health:
          health === undefined ? { kind: "tcp", timeoutMs: defaultHealthMs } : this.#health(health),
        replicas:
          (replicas && this.#values.wholeNumber(replicas, { min: 0, max: replicasMax })) ?? 1,
        restart: (restart && this.#values.choice(restart, restartPolicies)) ?? "on-failure",
        upstreams: upstreams === undefined ? [] : this.#upstreams(upstreams),
      },
    ];
  }

  #command(item: Item): readonly string[] {
    const words = Array.isArray(item.value)
      ? this.#values.list(item).flatMap((at) => this.#expanded(at) ?? [])
      : this.#words(item);
    if (words.length === 0) this.#values.problems.add(item.place, "names no program");
    return words;
  }

  #words(item: Item): readonly string[] {
    const text = this.#values.text(item);
    if (text === undefined) return [];
    const words = splitWords(text);
    if (words === undefined) {
      this.#values.problems.add(item.place, "a quote is not closed");
      return [];
    }
    const sign = shellSign(words);
    if (sign !== undefined)
      this.#values.problems.add(item.place, `"${sign}" is for a shell: write ["sh", "-c", "..."]`);
    return words.map((word) => this.#expandText(item, word));
  }

  #expanded(item: Item): string | undefined {
    const text = this.#values.text(item);
    return text === undefined ? undefined : this.#expandText(item, text);
  }

  #expandText({ place }: Item, text: string): string {
    const { text: expanded, missing } = expand(text, this.#environment);
    for (const name of missing)
      this.#values.problems.add(
        place,
        `the variable ${name} is not set: \${${name}:-default} gives it a value`,
      );
    return expanded;
  }

  #env({ env, environment }: Fields): Readonly<Record<string, string>> {
    const item = env ?? environment;
    if (item === undefined) return {};
    const pairs = Array.isArray(item.value) ? this.#envList(item) : this.#values.entries(item);
    return Object.fromEntries(
      pairs.flatMap(([name, at]): readonly (readonly [string, string])[] => {
        if (!/^[A-Za-z_]\w*$/.test(name)) {
          this.#values.problems.add(at.place, `"${name}" is not a variable's name`);
          return [];
        }
        // Nothing: as it is in our own environment.
        if (at.value === null) return [[name, this.#environment[name] ?? ""]];
        if (at.value === "") return [[name, ""]];
        const value = this.#expanded(at);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  }

  #envList(item: Item): readonly (readonly [string, Item])[] {
    return this.#values.list(item).flatMap((at) => {
      const text = this.#values.text(at);
      if (text === undefined) return [];
      const [, name = "", value] = text.match(/^([^=]+)(?:=(.*))?$/s) ?? [];
      return [[name, { place: at.place, value: value ?? null }] as const];
    });
  }

  /** `/path`, `false`, or `{path, timeout}`. */
  #health(item: Item): HealthSpec {
    if (item.value === false) return { kind: "none" };
    if (typeof item.value === "string") return this.#healthPath(item, defaultHealthMs);
    const { path, timeout } = this.#values.fields(item, ["path", "timeout"]);
    const timeoutMs = (timeout && this.#values.duration(timeout)) ?? defaultHealthMs;
    return path === undefined ? { kind: "tcp", timeoutMs } : this.#healthPath(path, timeoutMs);
  }

  #healthPath(item: Item, timeoutMs: number): HealthSpec {
    const path = this.#values.text(item) ?? "/";
    if (!path.startsWith("/"))
      this.#values.problems.add(item.place, `"${path}" is not a path such as /health`);
    return { kind: "http", path, timeoutMs };
  }

  /** A list of names, or compose's mapping. */
  #dependencies(item: Item): readonly string[] {
    if (Array.isArray(item.value))
      return this.#values.list(item).flatMap((at) => this.#values.text(at) ?? []);
    return this.#values.entries(item).map(([name, at]) => {
      const { condition } = this.#values.fields(at, ["condition"]);
      if (condition !== undefined) this.#values.choice(condition, ["service_healthy"]);
      return name;
    });
  }

  #upstreams(item: Item): readonly UpstreamSpec[] {
    return this.#values.list(item).flatMap((at) => {
      const spec = parseUpstream(this.#values.text(at) ?? "");
      if (typeof spec !== "string") return [spec];
      this.#values.problems.add(at.place, spec);
      return [];
    });
  }
}
