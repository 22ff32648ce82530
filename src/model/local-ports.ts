/**
 * Sidecars that share a host and intercept nothing ("laptop mode"): each says in its node metadata which ports are its own.
 * Who starts a sidecar writes them (the agent), Pilot makes listeners and clusters of them. docs/reference/node-metadata.md.
 */

/** `HEDDLE_INBOUND`: a port of the workload's service, where others reach it and where the program itself listens. */
export interface InboundPort {
  /** The service's port number. Names the cluster: `inbound|<servicePort>||`. */
  readonly servicePort: number;
  /** Where the sidecar listens: what the workload's endpoint has as its address and port. */
  readonly bind: string;
  readonly port: number;
  /** Where the program listens. */
  readonly appAddress: string;
  readonly appPort: number;
}

/** `HEDDLE_HTTP_PROXY`: where the program's HTTP_PROXY points. */
export interface HttpProxyPort {
  readonly bind: string;
  readonly port: number;
}

/** `HEDDLE_OUTBOUND`: a listener of its own for one port of one service, for programs that cannot use a proxy. */
export interface OutboundPort {
  /** The service's host name; short names are of the proxy's namespace. */
  readonly host: string;
  /** The service's port. */
  readonly port: number;
  readonly bind: string;
  readonly bindPort: number;
}

export interface LocalPorts {
  readonly inbound: readonly InboundPort[];
  readonly outbound: readonly OutboundPort[];
  readonly httpProxy: HttpProxyPort | undefined;
  /** What of the metadata is not understood, and was left out. */
  readonly problems: readonly string[];
}

/** More are left out, with a problem. */
export const localPortsMax = 1024;

const known = new WeakMap<object, LocalPorts | undefined>();

/** Undefined: the metadata says nothing of ports, so Istio's rules alone hold. */
export function localPortsOf(metadata: Readonly<Record<string, unknown>>): LocalPorts | undefined {
  if (!known.has(metadata)) known.set(metadata, read(metadata));
  return known.get(metadata);
}

function read(metadata: Readonly<Record<string, unknown>>): LocalPorts | undefined {
  const { HEDDLE_INBOUND: inbound, HEDDLE_OUTBOUND: outbound } = metadata;
  const httpProxy = metadata["HEDDLE_HTTP_PROXY"];
  if (inbound === undefined && outbound === undefined && httpProxy === undefined) return undefined;
  const problems: string[] = [];
  return {
    inbound: distinct(entries("HEDDLE_INBOUND", inbound, problems).flatMap(inboundPort), {
      key: ({ servicePort }) => `HEDDLE_INBOUND: service port ${servicePort}`,
      problems,
    }),
    outbound: distinct(entries("HEDDLE_OUTBOUND", outbound, problems).flatMap(outboundPort), {
      key: ({ bind, bindPort }) => `HEDDLE_OUTBOUND: ${bind}:${bindPort}`,
      problems,
    }),
    httpProxy:
      httpProxy === undefined
        ? undefined
        : entries("HEDDLE_HTTP_PROXY", [httpProxy], problems).flatMap(proxyPort)[0],
    problems,
  };
}

/** One object of a list, and where what is wrong with it is told. */
interface Entry {
  readonly place: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly problems: string[];
}

function entries(name: string, value: unknown, problems: string[]): readonly Entry[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    problems.push(`${name}: a list is expected`);
    return [];
  }
  if (value.length > localPortsMax)
    problems.push(`${name}: ${value.length} entries, only the first ${localPortsMax} are used`);
  return value.slice(0, localPortsMax).flatMap((item: unknown, index) => {
    const place = `${name}[${index}]`;
    if (isObject(item)) return [{ place, fields: item, problems }];
    problems.push(`${place}: an object is expected`);
    return [];
  });
}

function inboundPort(entry: Entry): readonly InboundPort[] {
  const [servicePort, port, appPort] = [
    number(entry, "servicePort"),
    number(entry, "port"),
    number(entry, "appPort"),
  ];
  if (servicePort === undefined || port === undefined || appPort === undefined) return [];
  return [
    {
      servicePort,
      bind: address(entry, "bind"),
      port,
      appAddress: address(entry, "appAddress"),
      appPort,
    },
  ];
}

function outboundPort(entry: Entry): readonly OutboundPort[] {
  const { host } = entry.fields;
  const [port, bindPort] = [number(entry, "port"), number(entry, "bindPort")];
  if (typeof host !== "string" || host === "") {
    entry.problems.push(`${entry.place}.host: a host name is expected`);
    return [];
  }
  if (port === undefined || bindPort === undefined) return [];
  return [{ host: host.toLowerCase(), port, bind: address(entry, "bind"), bindPort }];
}

function proxyPort(entry: Entry): readonly HttpProxyPort[] {
  const port = number(entry, "port");
  return port === undefined ? [] : [{ bind: address(entry, "bind"), port }];
}

function number({ place, fields, problems }: Entry, name: string): number | undefined {
  const value = fields[name];
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536)
    return value;
  problems.push(`${place}.${name}: a port from 1 to 65535 is expected`);
  return undefined;
}

function address({ place, fields, problems }: Entry, name: string): string {
  const value = fields[name] ?? "127.0.0.1";
  if (typeof value === "string" && value !== "") return value;
  problems.push(`${place}.${name}: an IP address is expected, 127.0.0.1 is used`);
  return "127.0.0.1";
}

interface Distinction<T> {
  key(value: T): string;
  readonly problems: string[];
}

function distinct<T>(values: readonly T[], { key, problems }: Distinction<T>): readonly T[] {
  const seen = new Set<string>();
  return values.filter((value) => {
    const name = key(value);
    if (seen.has(name)) problems.push(`${name} is there twice, the first is used`);
    return !seen.has(name) && seen.add(name);
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
