import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { LocatedProblem } from "#config/config-file-error.ts";
import { decodeMessage } from "#config/decode.ts";
import { hint } from "#config/nearest.ts";
import { below, formatPath, Problems, parsePath, rootOf } from "#config/place.ts";
import { camelCase, readSources, type SourceText, sourceWithoutText } from "#config/source-text.ts";
import { registry } from "#gen/registry.js";
import type { Kind } from "./kinds/kind.ts";
import { type Found, type Keys, Report } from "./kinds/report.ts";
import { apiVersionOf, kindHint, kindOf, parseApiVersion } from "./kinds.ts";
import { readMetadata } from "./metadata.ts";
import type { ConfigObject, ObjectMeta, ObjectSource } from "./object.ts";

/** What is wrong with an object, and where. */
export interface ObjectProblem extends LocatedProblem {
  /** `kind/namespace/name`; `?` for what could not be read. */
  readonly object: string;
}

export interface ReadObjects {
  /** Those without a problem; their specs are ProtoJSON of the kind's message, with the .proto's JSON names. */
  readonly objects: readonly ConfigObject[];
  readonly problems: readonly ObjectProblem[];
  readonly warnings: readonly ObjectProblem[];
}

export interface ReadObjectsOptions {
  /** Of objects that name none; "default" otherwise. */
  readonly namespace?: string;
  /** False: only their shape is checked, for what was validated before (a store's, an API server's) or must be taken as it is. */
  readonly validate?: boolean;
}

/**
 * Reads a file of objects: YAML of one or many documents, JSON, and `List`s. Every object is read and checked by itself, whatever is wrong
 * with the others. `name` is what problems call the file.
 */
export function readObjects(
  name: string,
  source: string,
  options: ReadObjectsOptions = {},
): ReadObjects {
  const reader = new ObjectReader(options);
  for (const document of readSources(name, source)) reader.readDocument(document);
  return reader;
}

/** The same for an object that is JSON already: from an API, from a store. It has no lines. */
export function readObjectValue(
  name: string,
  value: JsonValue,
  options: ReadObjectsOptions = {},
): ReadObjects {
  const reader = new ObjectReader(options);
  reader.readDocument(sourceWithoutText(name, value));
  return reader;
}

/** `file:line:column kind/namespace/name field: problem` */
export function printObjectProblem(problem: ObjectProblem): string {
  const { file, line, column, object, path, message } = problem;
  // One line, also when a value in it has several.
  const text = message.replace(/\s*[\r\n]+\s*/g, " ");
  return `${file}:${line}:${column} ${object} ${path || "document"}: ${text}`;
}

class ObjectReader implements ReadObjects {
  readonly objects: ConfigObject[] = [];
  readonly problems: ObjectProblem[] = [];
  readonly warnings: ObjectProblem[] = [];
  readonly #options: ReadObjectsOptions;

  constructor(options: ReadObjectsOptions) {
    this.#options = options;
  }

  readDocument(source: SourceText): void {
    for (const { line, column, message } of source.unreadable) {
      const problem = { file: source.name, line, column, path: "", message, object: "?/?/?" };
      this.problems.push(problem);
    }
    if (source.value !== undefined) this.#readValue(source, source.value);
  }

  #readValue(source: SourceText, value: JsonValue): void {
    if (Array.isArray(value)) {
      this.#readItems(source, value, []);
    } else if (!isObject(value)) {
      this.#refuse(source, "?/?/?", [], "must be an object with apiVersion and kind");
    } else if (isList(value)) {
      this.#readItems(source, value.items, ["items"]);
    } else {
      this.#readObject(source, value);
    }
  }

  #readItems(source: SourceText, items: readonly JsonValue[], prefix: Keys): void {
    for (const [index, item] of items.entries()) {
      const keys = [...prefix, index];
      const { name, positionOf } = source;
      const itemSource: SourceText = {
        name,
        value: item,
        unreadable: [],
        positionOf: (rest, at) => positionOf([...keys, ...rest], at),
      };
      // A list in a list is nobody's.
      if (isObject(item)) this.#readObject(itemSource, item);
      else this.#refuse(itemSource, "?/?/?", [], "must be an object with apiVersion and kind");
    }
  }

  #readObject(source: SourceText, value: JsonObject): void {
    const kind = this.#readKind(source, value);
    if (kind === undefined) return;
    const report = new Report();
    const metadata = readMetadata(value["metadata"], report.at("metadata"), {
      namespaced: kind.namespaced,
      namespace: this.#options.namespace,
    });
    const name = nameOf(kind.kind, value, this.#options.namespace);
    const { spec, located } = readBody(kind, value, source, report);
    const shape = [...report.found];
    if (spec !== undefined && this.#options.validate !== false) {
      kind.validate({ metadata, spec }, report);
      checkDryRun(kind, metadata, report);
    }
    const causes = [
      ...located.map(({ path }) => parsePath(path)),
      ...shape.map(({ keys }) => keys),
    ];
    const found = [...shape, ...withoutConsequences(report.found.slice(shape.length), causes)];
    const problems = found.filter(({ severity }) => severity === "problem");
    for (const problem of located) this.problems.push({ ...problem, object: name });
    for (const { severity, keys, message } of found) {
      const to = severity === "problem" ? this.problems : this.warnings;
      to.push({ ...locate(source, keys), message, object: name });
    }
    if (problems.length + located.length > 0 || spec === undefined) return;
    this.objects.push({
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata,
      spec,
      ...(value["status"] === undefined ? {} : { status: value["status"] }),
      source: objectSource(source),
    });
  }

  #readKind(source: SourceText, value: JsonObject): Kind | undefined {
    const { apiVersion, kind: word } = value;
    const name = nameOf(typeof word === "string" ? word : "?", value, this.#options.namespace);
    const refuse = (key: string, message: string): undefined =>
      this.#refuse(source, name, [key], message);
    if (typeof word !== "string" || word === "") return refuse("kind", "is required");
    if (typeof apiVersion !== "string" || apiVersion === "") {
      return refuse("apiVersion", "is required");
    }
    const { group, version } = parseApiVersion(apiVersion);
    const kind = kindOf({ group, kind: word });
    if (kind?.versions.includes(version)) return kind;
    if (kind !== undefined) {
      const versions = kind.versions.map((known) => (group === "" ? known : `${group}/${known}`));
      return refuse("apiVersion", `"${apiVersion}" is none of ${versions.join(", ")}`);
    }
    if (!/(?:^|\.)istio\.io$/.test(group) || group === "install.istio.io") {
      const message = `${apiVersion} ${word} is not read by Heddle${kindHint(word)}`;
      this.warnings.push({ ...locate(source, ["kind"]), message, object: name });
      return undefined;
    }
    return refuse("kind", `${group} has no kind "${word}"${kindHint(word)}`);
  }

  #refuse(source: SourceText, object: string, keys: Keys, message: string): undefined {
    this.problems.push({ ...locate(source, keys), message, object });
  }
}

/** Other policies would be carried out, though their author means only to try them. */
function checkDryRun(kind: Kind, { annotations }: ObjectMeta, report: Report): void {
  const name = "istio.io/dry-run";
  if (!("message" in kind.body) || kind.kind === "AuthorizationPolicy") return;
  if (annotations[name] !== undefined) {
    report.at("metadata", "annotations", name).problem("is for AuthorizationPolicies only");
  }
}

interface Body {
  /** Undefined: nothing of it could be read. */
  readonly spec: unknown;
  readonly located: readonly LocatedProblem[];
}

/** What an object of Istio's has beside its body. */
const topLevel = ["apiVersion", "kind", "metadata", "spec", "status"];

function readBody(kind: Kind, value: JsonObject, source: SourceText, report: Report): Body {
  const { body } = kind;
  if ("shape" in body) {
    const { apiVersion: _, kind: _kind, metadata: _metadata, status: _status, ...rest } = value;
    const spec = body.inSpec
      ? body.shape(value["spec"] ?? {}, report.at("spec"))
      : body.shape(rest, report);
    return { spec, located: [] };
  }
  const problems = new Problems();
  for (const key of Object.keys(value)) {
    if (topLevel.includes(key)) continue;
    problems.add(below(rootOf(source), key), `unknown field${hint(key, topLevel)}`, "key");
  }
  const message = registry.getMessage(body.message);
  if (message === undefined) throw new Error(`no message type ${body.message}`);
  const context = { registry, problems, origins: new Map(), dialect: "istio" } as const;
  const spec = decodeMessage(context, message, value["spec"] ?? {}, below(rootOf(source), "spec"));
  return { spec, located: problems.located };
}

/** A field of the wrong shape is missing afterwards; that it is missing is not another problem. */
function withoutConsequences(found: readonly Found[], causes: readonly Keys[]): readonly Found[] {
  const paths = causes.map(canonical);
  return found.filter(({ keys }) => {
    const path = canonical(keys);
    return !paths.some((cause) => cause.startsWith(path) || path.startsWith(cause));
  });
}

const canonical = (keys: Keys): string =>
  keys.map((key) => `${typeof key === "string" ? camelCase(key) : key}\0`).join("");

function locate(source: SourceText, keys: Keys): Omit<LocatedProblem, "message"> {
  const { line, column } = source.positionOf(keys, "value");
  return { file: source.name, line, column, path: formatPath(keys) };
}

/** Without the value: the object has its own. */
function objectSource({ name, positionOf }: SourceText): ObjectSource {
  return { name, positionOf: (keys) => positionOf(keys, "value") };
}

function nameOf(kind: string, value: JsonObject, namespace = "default"): string {
  const metadata = isObject(value["metadata"]) ? value["metadata"] : {};
  const word = (part: JsonValue | undefined, absent: string): string =>
    typeof part === "string" && /^\S+$/.test(part) ? part : absent;
  const { group } = parseApiVersion(word(value["apiVersion"], ""));
  const namespaced = kindOf({ group, kind })?.namespaced !== false;
  const space = namespaced ? word(metadata["namespace"], namespace) : "-";
  return `${word(kind, "?")}/${space}/${word(metadata["name"], "?")}`;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `kind: List`, `VirtualServiceList`: what the API answers and `kubectl get -o yaml` prints. */
function isList(value: JsonObject): value is JsonObject & { readonly items: JsonValue[] } {
  return (
    typeof value["kind"] === "string" &&
    value["kind"].endsWith("List") &&
    Array.isArray(value["items"])
  );
}
