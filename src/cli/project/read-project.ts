import { dirname, resolve } from "node:path";
import { ConfigFileError } from "#config/config-file-error.ts";
import { hint } from "#config/nearest.ts";
import { below, type Place, Problems, rootOf } from "#config/place.ts";
import { readSource } from "#config/source-text.ts";
import type { GatewayPort, GatewaySpec, Project, ServiceSpec } from "./project.ts";
import { ServiceReader } from "./read-service.ts";
import { type Item, Values } from "./values.ts";
import type { Environment } from "./words.ts";

export interface ProjectText {
  /** An absolute path: what the file's paths are relative to. */
  readonly file: string;
  /** As problems name it. */
  readonly name: string;
  readonly text: string;
  /** Variables for `${NAME}`. */
  readonly environment: Environment;
}

const servicesMax = 200;
const gatewayPortsMax = 64;

/** Throws ConfigFileError with everything that is wrong. */
export function readProject({ file, name, text, environment }: ProjectText): Project {
  const source = readSource(name, text);
  if (source.unreadable.length > 0)
    throw new ConfigFileError(
      source.unreadable.map((error) => ({ file: name, path: "", ...error })),
    );
  const values = new Values(new Problems());
  const folder = dirname(file);
  const root: Item = { place: rootOf(source), value: source.value ?? {} };
  const fields = values.fields(root, ["name", "namespace", "config", "gateway", "services"]);
  const namespace = optional(fields.namespace, (item) => values.label(item)) ?? "default";
  const reader = new ServiceReader({ values, folder, environment, namespace });
  const services =
    fields.services === undefined
      ? missing(values, root.place)
      : readServices(values, fields.services, reader);
  const project: Project = {
    file,
    folder,
    namespace,
    config: optional(fields.config, (item) => readPaths(values, item, folder)) ?? [],
    gateway: optional(fields.gateway, (item) => readGateway(values, item)),
    services,
  };
  values.problems.throwIfAny();
  return project;
}

function missing(values: Values, place: Place): readonly ServiceSpec[] {
  values.problems.add(place, 'is missing "services": a mapping of names to what is run for them');
  return [];
}

function readServices(values: Values, item: Item, reader: ServiceReader): readonly ServiceSpec[] {
  const entries = values.entries(item);
  if (entries.length > servicesMax)
    values.problems.add(item.place, `more than ${servicesMax} services`);
  const services = entries.slice(0, servicesMax).flatMap(([name, at]) => {
    if (values.label({ place: at.place, value: name }) === undefined) return [];
    return [{ at, service: reader.read(name, at) }];
  });
  const names = services.map(({ service }) => service.name);
  for (const { at, service } of services) {
    const place = below(at.place, "depends_on");
    for (const wanted of service.dependsOn.filter((name) => !names.includes(name)))
      values.problems.add(place, `there is no service "${wanted}"${hint(wanted, names)}`);
  }
  const specs = services.map(({ service }) => service);
  const circle = circleOf(specs);
  if (circle !== undefined)
    values.problems.add(item.place, `services wait for each other: ${circle.join(" -> ")}`);
  return specs;
}

/** Services that would wait for each other for ever, as a path from one to itself. */
function circleOf(services: readonly ServiceSpec[]): readonly string[] | undefined {
  const byName = new Map(services.map((service) => [service.name, service]));
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (done.has(name)) return undefined;
    done.add(name);
    for (const next of byName.get(name)?.dependsOn ?? []) {
      const circle = visit(next, [...path, name]);
      if (circle !== undefined) return circle;
    }
    return undefined;
  };
  for (const { name } of services) {
    const circle = visit(name, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

function readPaths(values: Values, item: Item, folder: string): readonly string[] {
  const items = Array.isArray(item.value) ? values.list(item) : [item];
  return items.flatMap((at) => {
    const path = values.text(at);
    return path === undefined ? [] : [resolve(folder, path)];
  });
}

/** `9080`, `"9080:8080"` (callers dial 9080, Gateway objects say 8080), a list of them, or `{ports: [...]}`; `false`: none. */
function readGateway(values: Values, item: Item): GatewaySpec | undefined {
  if (item.value === false) return undefined;
  const { value } = item;
  let list: readonly Item[] = [item];
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { ports } = values.fields(item, ["ports"]);
    if (ports === undefined) {
      values.problems.add(item.place, 'is missing "ports"');
      return undefined;
    }
    list = values.list(ports);
  } else if (Array.isArray(value)) list = values.list(item);
  if (list.length > gatewayPortsMax)
    values.problems.add(item.place, `more than ${gatewayPortsMax} ports`);
  const ports = list.slice(0, gatewayPortsMax).flatMap((at) => gatewayPort(values, at));
  if (new Set(ports.map(({ local }) => local)).size < ports.length)
    values.problems.add(item.place, "a local port is there twice");
  return { ports };
}

function gatewayPort(values: Values, { place, value }: Item): readonly GatewayPort[] {
  const [outside, inside, ...rest] = String(value).split(":");
  const local = values.port({ place, value: outside });
  const gateway = inside === undefined ? local : values.port({ place, value: inside });
  if (rest.length > 0)
    values.problems.add(place, `"${value}" is not a port such as 9080 or 9080:8080`);
  return local === undefined || gateway === undefined ? [] : [{ local, gateway }];
}

function optional<T>(item: Item | undefined, read: (item: Item) => T): T | undefined {
  return item === undefined || item.value === null ? undefined : read(item);
}

/** HEDDLE_NODE is the Node that Heddle itself runs on: new enough to follow HTTP_PROXY. */
export function projectEnvironment(
  environment: Environment,
  [node]: readonly string[],
): Environment {
  return { ...environment, HEDDLE_NODE: node };
}
