import type { Call } from "#proxy/simulated-call.ts";

export type ReadCall = { readonly call: Call } | { readonly problems: readonly string[] };

const known = [
  "address",
  "port",
  "protocol",
  "tls",
  "sni",
  "alpn",
  "hostHeader",
  "path",
  "method",
  "headers",
  "callMode",
] as const;

/** A random address that no rule is for: what Istio's own simulation calls when it does not matter. */
const anyAddress = "1.3.3.7";

/** A call as it is written in JSON or YAML, with what it leaves out filled in. Every problem is named by its field. */
export function readCall(value: unknown, at: string): ReadCall {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return {
      problems: [`${at}: a call is an object, such as {"port": 80, "hostHeader": "reviews"}`],
    };
  }
  const fields = new Fields(new Map<string, unknown>(Object.entries(value)), at);
  fields.refuseUnknown();
  const headers = fields.headers();
  const protocol = fields.choice("protocol", ["http", "http2", "tcp"]);
  const tls = fields.choice("tls", ["plaintext", "tls", "mtls"]);
  const hostHeader = fields.text("hostHeader") ?? hostAmong(headers) ?? "";
  const alpn = fields.text("alpn");
  if (alpn !== undefined && alpn !== "" && tls === "plaintext") {
    fields.problems.push(`${at}.alpn: only a call with TLS offers protocols`);
  }
  const call: Call = {
    address: fields.text("address") || anyAddress,
    port: fields.port(tls === "plaintext" ? 80 : 443),
    protocol,
    tls,
    sni: fields.text("sni") || (tls === "tls" ? hostHeader : ""),
    alpn: alpn || offeredBy(protocol, tls),
    hostHeader,
    path: fields.text("path") || "/",
    method: fields.text("method") || "GET",
    headers: headers.filter(([name]) => name.toLowerCase() !== "host"),
    callMode: fields.choice("callMode", ["outbound", "inbound", "gateway"]),
  };
  return fields.problems.length > 0 ? { problems: fields.problems } : { call };
}

/** What a client of the protocol offers in its handshake: a sidecar's are Istio's own names. */
function offeredBy(protocol: Call["protocol"], tls: Call["tls"]): string {
  const index = ["http", "http2", "tcp"].indexOf(protocol);
  switch (tls) {
    case "mtls":
      return ["istio-http/1.1", "istio-h2", "istio"][index] ?? "";
    case "tls":
      return ["http/1.1", "h2", ""][index] ?? "";
    default:
      return "";
  }
}

function hostAmong(headers: Call["headers"]): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === "host")?.[1];
}

class Fields {
  readonly problems: string[] = [];
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #at: string;

  constructor(fields: ReadonlyMap<string, unknown>, at: string) {
    this.#fields = fields;
    this.#at = at;
  }

  refuseUnknown(): void {
    for (const name of this.#fields.keys()) {
      if (known.some((field) => field === name)) continue;
      this.problems.push(`${this.#at}.${name}: unknown field; a call has ${known.join(", ")}`);
    }
  }

  text(name: string): string | undefined {
    const value = this.#fields.get(name);
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string") return value;
    this.problems.push(`${this.#at}.${name}: a string is expected`);
    return undefined;
  }

  port(absent: number): number {
    const value = this.#fields.get("port") ?? absent;
    if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536) {
      return value;
    }
    this.problems.push(`${this.#at}.port: a number from 1 to 65535 is expected`);
    return absent;
  }

  /** The first when nothing is said. */
  choice<T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const text = this.text(name);
    if (text === undefined || text === "") return choices[0];
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) {
      this.problems.push(`${this.#at}.${name}: "${text}" is none of ${choices.join(", ")}`);
    }
    return choice ?? choices[0];
  }

  /** `{"x-user": "jason"}`, or a list of values for a name. */
  headers(): Call["headers"] {
    const value = this.#fields.get("headers");
    if (value === undefined || value === null) return [];
    if (typeof value !== "object" || Array.isArray(value)) {
      this.problems.push(`${this.#at}.headers: a map of names to values is expected`);
      return [];
    }
    return Object.entries(value).flatMap(([name, given]: readonly [string, unknown]) => {
      const values: readonly unknown[] = Array.isArray(given) ? given : [given];
      return values.flatMap((one): readonly (readonly [string, string])[] => {
        if (typeof one === "string") return [[name, one]];
        this.problems.push(
          `${this.#at}.headers.${name}: a string or a list of strings is expected`,
        );
        return [];
      });
    });
  }
}
