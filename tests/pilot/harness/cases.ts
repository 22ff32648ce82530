/** tests/pilot/configurations: a folder each, with rules and the calls that show what they do. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const folder = fileURLToPath(new URL("../configurations", import.meta.url));

export interface Case {
  readonly name: string;
  /** What there is in all cases: Services, Pods, Nodes. */
  readonly services: string;
  readonly rules: string;
  readonly calls: readonly ExpectedCall[];
  /** Certificates that gateways present: the Secret's name and the host. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** A list: one of them. With numbers: shares in percent of many calls. */
export type Choice = string | readonly string[] | Readonly<Record<string, number>>;

export interface ExpectedCall {
  /** `GET http://reviews:9080/path`, `TCP db:5432`, `TLS name:443`. */
  readonly call: string;
  /** Through the caller's sidecar unless it is said. */
  readonly via?: "sidecar" | "gateway";
  readonly headers?: Readonly<Record<string, string>>;
  readonly times?: number;
  /** Where the route leads; null: the proxy answers by itself. */
  readonly cluster?: string | readonly string[] | null;
  /** What explains that there is no route. */
  readonly error?: string;
  readonly status?: number | Readonly<Record<string, number>>;
  /** The workload that answers. */
  readonly from?: Choice;
  /** All of the calls by the same. */
  readonly sticky?: boolean;
  /** It takes a while until all of the calls are so. */
  readonly eventually?: boolean;
  /** What the workload sees. */
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  /** Null: the header is not there. */
  readonly sees?: Readonly<Record<string, string | null>>;
  /** Headers of the response. */
  readonly gets?: Readonly<Record<string, string | null>>;
  readonly matches?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How often workloads saw the request. */
  readonly attempts?: number;
  /** Workloads that see the request beside the one that answers. */
  readonly copies?: readonly string[];
  readonly afterMs?: number;
  /** The host of the certificate that the gateway presents. */
  readonly certificate?: string;
  /** The connection is closed without an answer. */
  readonly closed?: boolean;
}

const fields: ReadonlySet<string> = new Set([
  ...["call", "via", "headers", "times", "cluster", "error", "status", "from", "sticky", "path"],
  ...["host", "port", "sees", "gets", "matches", "body", "attempts", "copies", "afterMs"],
  ...["certificate", "closed", "eventually"],
]);

export function allCases(): readonly Case[] {
  const services = readFileSync(join(folder, "services.yaml"), "utf8");
  return globSync("*/calls.yaml", { cwd: folder })
    .sort()
    .map((path) => {
      const at = join(folder, dirname(path));
      const written: unknown = parse(readFileSync(join(at, "calls.yaml"), "utf8"));
      const { calls, secrets = {} } = Array.isArray(written)
        ? { calls: written }
        : partsOf(written);
      for (const call of calls) {
        for (const key of Object.keys(call)) assert(fields.has(key), `${path}: ${key} is no field`);
      }
      const rules = readFileSync(join(at, "rules.yaml"), "utf8");
      return { name: basename(at), services, rules, calls, secrets };
    });
}

interface Parts {
  readonly calls: readonly ExpectedCall[];
  readonly secrets?: Readonly<Record<string, string>>;
}

function partsOf(written: unknown): Parts {
  assert(typeof written === "object" && written !== null && "calls" in written);
  // The files are the tests' own; that fields are known is checked above.
  return written as Parts;
}

export interface Target {
  readonly scheme: "http" | "https" | "tcp" | "tls";
  readonly method: string;
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
}

export function targetOf({ call }: ExpectedCall): Target {
  const [word = "", rest = ""] = call.split(" ");
  if (word === "TCP" || word === "TLS") {
    const [host = "", port] = rest.split(":");
    const scheme = word === "TCP" ? "tcp" : "tls";
    return { scheme, method: "GET", host, port: Number(port), path: "/" };
  }
  const url = new URL(rest);
  const scheme = url.protocol === "https:" ? "https" : "http";
  const port = url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port);
  return { scheme, method: word, host: url.hostname, port, path: `${url.pathname}${url.search}` };
}

/** As a Host header says it. */
export function authorityOf({ host, port, scheme }: Target): string {
  return port === (scheme === "https" ? 443 : 80) ? host : `${host}:${port}`;
}
