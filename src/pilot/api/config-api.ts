import type { IncomingMessage, ServerResponse } from "node:http";
import type { JsonValue } from "@bufbuild/protobuf";
import { hint } from "#config/nearest.ts";
import {
  printObjectProblem,
  type ReadObjects,
  readObjects,
  readObjectValue,
} from "#model/documents.ts";
import { allKinds, kindHint } from "#model/kinds.ts";
import { matchesSelector, parseSelector } from "#model/label-selector.ts";
import { type ConfigObject, objectKey } from "#model/object.ts";
import { notEnforced } from "../not-enforced.ts";
import type { Acknowledged } from "../push/acknowledgements.ts";
import { reversal, sameAsWritten } from "../stores/object-table.ts";
import { withText } from "../stores/sqlite/saved-object.ts";
import {
  type ConfigStore,
  ConflictError,
  type Revision,
  StoreLimitError,
} from "../stores/store.ts";
import {
  type ApiAnswer,
  ApiProblem,
  type ApiRequest,
  isOwnHost,
  readBody,
  sendJson,
  sendProblem,
} from "./http.ts";
import { actionOf, type Json, kindWord, objectJson, revisionJson } from "./object-json.ts";
import { openApi } from "./open-api.ts";
import { WatchStreams } from "./watch-streams.ts";

export interface ConfigApiOptions {
  /** The one that is written. */
  readonly store: ConfigStore;
  /** Others that are read too; what stands in them cannot be changed here. */
  readonly readOnly?: readonly ConfigStore[];
  /** Resolves when every proxy concerned has taken the revision or refused it, or the time is over. */
  readonly acknowledged: (revision: number, timeoutMs: number) => Promise<Acknowledged>;
  /** Names by which it is called, besides addresses and localhost. */
  readonly hostNames?: readonly string[];
  readonly version: string;
}

const prefix = "/api/v1/";
const historyMax = 1000;
const acknowledgeMaxMs = 300_000;

/** Objects, their history and their changes, over HTTP. `openApi` describes it. */
export class ConfigApi {
  readonly #options: ConfigApiOptions;
  readonly #hostNames: ReadonlySet<string>;
  readonly #streams: WatchStreams;

  constructor(options: ConfigApiOptions) {
    this.#options = options;
    this.#hostNames = new Set(options.hostNames);
    this.#streams = new WatchStreams([options.store, ...(options.readOnly ?? [])]);
  }

  /** False: the path is somebody else's. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = new URL(request.url ?? "/", "http://pilot");
    const described = url.pathname === "/openapi.json";
    if (!described && !url.pathname.startsWith(prefix)) return false;
    try {
      if (!isOwnHost(request.headers.host, this.#hostNames))
        throw new ApiProblem(403, `this API is not called ${request.headers.host ?? "nothing"}`);
      if (described) sendJson(response, { json: openApi(this.#options.version) });
      else if (url.pathname === `${prefix}watch`) this.#streams.open(url.searchParams, response);
      else sendJson(response, await this.#answer(apiRequest(request, url)));
    } catch (error) {
      sendProblem(response, problemOf(error));
    }
    return true;
  }

  close(): void {
    this.#streams.close();
  }

  #answer(request: ApiRequest): ApiAnswer | Promise<ApiAnswer> {
    const { method, path } = request;
    const [resource, ...rest] = path;
    const route = `${method} ${resource ?? ""}/${rest.length}`;
    switch (route) {
      case "GET objects/0":
        return this.#list(request);
      case "GET objects/3":
        return this.#get(request);
      case "PUT objects/3":
        return this.#put(request);
      case "DELETE objects/3":
        return this.#deleteOne(request);
      case "POST apply/0":
        return this.#apply(request);
      case "POST delete/0":
        return this.#delete(request);
      case "GET revisions/0":
        return this.#history(request);
      case "GET revisions/1":
        return { json: revisionJson(this.#revision(rest[0])) };
      case "POST revisions/2":
        return this.#undo(request);
      case "GET revisions/2":
        return this.#acknowledgement(request);
      case "GET kinds/0":
        return { json: { items: allKinds().map(kindJson) } };
      default:
        throw new ApiProblem(
          404,
          `there is no ${method} ${prefix}${path.join("/")}; /openapi.json says what there is`,
        );
    }
  }

  #all(): readonly ConfigObject[] {
    const { store, readOnly = [] } = this.#options;
    return [...store.list(), ...readOnly.flatMap((other) => other.list())];
  }

  #list({ query }: ApiRequest): ApiAnswer {
    const word = query.get("kind");
    const kind = word === null ? undefined : knownKind(word);
    const namespace = query.get("namespace");
    const name = query.get("name");
    const selector = parseSelector(query.get("labelSelector") ?? "");
    if ("problem" in selector) throw new ApiProblem(400, `labelSelector: ${selector.problem}`);
    const items = this.#all().filter(
      (object) =>
        (kind === undefined || object.kind === kind) &&
        (namespace === null || object.metadata.namespace === namespace) &&
        (name === null || object.metadata.name === name) &&
        matchesSelector(selector, object.metadata.labels),
    );
    const { revision } = this.#options.store;
    return {
      json: {
        kind: "List",
        apiVersion: "v1",
        metadata: { resourceVersion: String(revision) },
        items: items.map(objectJson),
      },
    };
  }

  #find(key: string): ConfigObject | undefined {
    return this.#all().find((object) => objectKey(object) === key);
  }

  #get({ path }: ApiRequest): ApiAnswer {
    const key = keyOf(path);
    const object = this.#find(key);
    if (object === undefined) throw this.#missing(key);
    const { source } = object;
    const from = source && `${source.name}:${source.positionOf(["kind"]).line}`;
    return { json: objectJson(object), etag: object.metadata.resourceVersion, source: from };
  }

  #missing(key: string): ApiProblem {
    const [kind = "", namespace = "", name = ""] = key.split("/");
    const names = this.#all()
      .filter((object) => object.kind === kind && object.metadata.namespace === namespace)
      .map(({ metadata }) => metadata.name);
    return new ApiProblem(
      404,
      `there is no ${kind} ${name} in namespace ${namespace}${hint(name, names)}`,
    );
  }

  async #put(request: ApiRequest): Promise<ApiAnswer> {
    const key = keyOf(request.path);
    const body = await request.body();
    const { author, message, ...value } = body;
    // Proof: it is parsed JSON.
    const read = readObjectValue("the request", value as JsonValue);
    const [object] = this.#accepted(read);
    if (object === undefined || objectKey(object) !== key)
      throw new ApiProblem(400, `the body is not ${key}`);
    const revision = this.#change({
      set: [{ object, expected: request.ifMatch }],
      author: text(author, "unknown"),
      message: text(message, `put ${key}`),
    });
    const stored = this.#options.store.get(key) ?? object;
    const status = revision.changes.some((change) => actionOf(change) === "created") ? 201 : 200;
    return { status, json: objectJson(stored), etag: stored.metadata.resourceVersion };
  }

  #deleteOne({ path, query, ifMatch }: ApiRequest): ApiAnswer {
    const key = keyOf(path);
    const revision = this.#change({
      remove: [{ key, expected: ifMatch }],
      author: query.get("author") ?? "unknown",
      message: `delete ${key}`,
    });
    return { json: revisionJson(revision) };
  }

  async #apply(request: ApiRequest): Promise<ApiAnswer> {
    const body = await request.body();
    const { files, namespace, dryRun, prune } = body;
    if (!Array.isArray(files))
      throw new ApiProblem(400, "files: a list of {name, text} is required");
    const objects: ConfigObject[] = [];
    const warnings: string[] = [];
    const problems: string[] = [];
    for (const file of files) {
      const { name, text: content } = fileOf(file);
      const options = typeof namespace === "string" ? { namespace } : {};
      const read = readObjects(name, content, options);
      problems.push(...read.problems.map(printObjectProblem));
      warnings.push(...read.warnings.map(printObjectProblem));
      objects.push(...read.objects.map((object) => withText(object, content)));
    }
    problems.push(...objects.flatMap(notEnforced).map(printObjectProblem));
    refuseProblems(problems);
    const own = objects.filter((object) => !this.#standsAlready(object));
    this.#refuseReadOnly(own.map(objectKey));
    const wanted = new Set(objects.map(objectKey));
    const revision = this.#change({
      set: own.map((object) => ({ object })),
      remove: prune === true ? this.#pruned(wanted) : [],
      author: text(body["author"], "unknown"),
      message: text(body["message"], "apply"),
      dryRun: dryRun === true,
    });
    const changed = new Map(revision.changes.map((change) => [change.key, change]));
    const unchanged = [...wanted].filter((key) => !changed.has(key));
    return { json: { ...revisionJson(revision), unchanged, warnings } };
  }

  #pruned(wanted: ReadonlySet<string>): { readonly key: string }[] {
    return this.#options.store
      .list()
      .map((object) => ({ key: objectKey(object) }))
      .filter(({ key }) => !wanted.has(key));
  }

  /** A folder has the very same: there is nothing to write. */
  #standsAlready(object: ConfigObject): boolean {
    const { readOnly = [] } = this.#options;
    const there = readOnly.map((store) => store.get(objectKey(object)));
    return there.some((found) => found !== undefined && sameAsWritten(found, object));
  }

  /** What stands in a folder is changed there. */
  #refuseReadOnly(keys: readonly string[]): void {
    const { readOnly = [] } = this.#options;
    for (const key of keys) {
      const other = readOnly.map((store) => store.get(key)).find((found) => found !== undefined);
      if (other !== undefined)
        throw new ApiProblem(
          409,
          `${key} stands in ${other.source?.name ?? "a folder"}: change it there`,
        );
    }
  }

  async #delete(request: ApiRequest): Promise<ApiAnswer> {
    const { keys, author, message, ignoreMissing } = await request.body();
    if (!isTexts(keys))
      throw new ApiProblem(400, "keys: a list of kind/namespace/name is required");
    this.#refuseReadOnly(keys);
    const { store } = this.#options;
    const missing = keys.filter((key) => store.get(key) === undefined);
    const [first] = missing;
    if (first !== undefined && ignoreMissing !== true) throw this.#missing(first);
    const there = keys.filter((key) => !missing.includes(key));
    const revision = this.#change({
      remove: there.map((key) => ({ key })),
      author: text(author, "unknown"),
      message: text(message, `delete ${there.join(" ")}`),
    });
    return { json: { ...revisionJson(revision), missing } };
  }

  #history({ query }: ApiRequest): ApiAnswer {
    const limit = Math.min(historyMax, Number(query.get("limit") ?? 20));
    if (!Number.isInteger(limit) || limit < 1)
      throw new ApiProblem(400, "limit: a whole number from 1 on");
    const about = query.get("object");
    const revisions = this.#options.store.history(about === null ? limit : historyMax);
    const items =
      about === null
        ? revisions
        : revisions
            .filter(({ changes }) => changes.some(({ key }) => key === about))
            .slice(0, limit);
    return { json: { items: items.map(revisionJson) } };
  }

  #revision(word: string | undefined): Revision {
    const { store } = this.#options;
    const number = word === "latest" ? store.revision : Number(word);
    const found = store.revisionAt(number);
    if (found === undefined)
      throw new ApiProblem(404, `there is no revision ${word}; the newest is ${store.revision}`);
    return found;
  }

  async #undo(request: ApiRequest): Promise<ApiAnswer> {
    const [, number, verb] = request.path;
    if (verb !== "undo") throw new ApiProblem(404, `there is no ${verb}`);
    const { author, dryRun } = await request.body();
    const undone = this.#revision(number);
    const { store } = this.#options;
    const revision = this.#change({
      ...reversal(undone.changes, (key) => store.get(key)),
      author: text(author, "unknown"),
      message: `undo of revision ${undone.number}: ${undone.message}`,
      dryRun: dryRun === true,
    });
    return { json: revisionJson(revision) };
  }

  async #acknowledgement({ path, query }: ApiRequest): Promise<ApiAnswer> {
    const [, number, verb] = path;
    if (verb !== "acknowledgement") throw new ApiProblem(404, `there is no ${verb}`);
    const seconds = Number(query.get("timeout") ?? 30);
    if (!(seconds >= 0)) throw new ApiProblem(400, "timeout: seconds");
    const revision = number === "latest" ? this.#options.store.revision : Number(number);
    const timeoutMs = Math.min(acknowledgeMaxMs, seconds * 1000);
    return { json: { revision, ...(await this.#options.acknowledged(revision, timeoutMs)) } };
  }

  #change(request: Parameters<ConfigStore["change"]>[0]): Revision {
    return this.#options.store.change(request);
  }

  #accepted({ objects, problems }: ReadObjects): readonly ConfigObject[] {
    const found = [...problems, ...objects.flatMap(notEnforced)];
    refuseProblems(found.map(printObjectProblem));
    return objects;
  }
}

function apiRequest(request: IncomingMessage, url: URL): ApiRequest {
  const ifMatch = request.headers["if-match"]?.replace(/^(?:W\/)?"(.*)"$/, "$1");
  const absent = request.headers["if-none-match"] === "*" ? "" : undefined;
  return {
    method: request.method ?? "GET",
    path: url.pathname.slice(prefix.length).split("/").map(decodeURIComponent),
    query: url.searchParams,
    ifMatch: ifMatch ?? absent,
    body: () => readBody(request),
  };
}

function problemOf(error: unknown): Pick<ApiProblem, "status" | "message" | "details"> {
  if (error instanceof ApiProblem) return error;
  if (error instanceof ConflictError) {
    const { key, reason, message } = error;
    return { status: reason === "missing" ? 404 : 409, message, details: { key, reason } };
  }
  if (error instanceof StoreLimitError) return { status: 507, message: error.message, details: {} };
  if (error instanceof URIError)
    return { status: 400, message: "the path is not a path", details: {} };
  return {
    status: 500,
    message: `a mistake of Heddle's: ${error instanceof Error ? error.message : String(error)}`,
    details: {},
  };
}

function refuseProblems(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  throw new ApiProblem(422, `${count}: nothing is changed`, { problems });
}

function knownKind(word: string): string {
  const kind = kindWord(word);
  if (kind === undefined) throw new ApiProblem(400, `there is no kind "${word}"${kindHint(word)}`);
  return kind;
}

function keyOf([, kind = "", namespace = "", name = ""]: readonly string[]): string {
  return `${knownKind(kind)}/${namespace}/${name}`;
}

function kindJson({
  kind,
  group,
  versions,
  plural,
  shortNames,
  namespaced,
}: ReturnType<typeof allKinds>[number]): Json {
  return { kind, group, versions, plural, shortNames, namespaced };
}

function text(value: unknown, absent: string): string {
  return typeof value === "string" && value !== "" ? value.slice(0, 1000) : absent;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function fileOf(value: unknown): { readonly name: string; readonly text: string } {
  if (typeof value === "object" && value !== null && "name" in value && "text" in value) {
    const { name, text: content } = value;
    if (typeof name === "string" && typeof content === "string") return { name, text: content };
  }
  throw new ApiProblem(400, "files: each has a name and a text");
}
