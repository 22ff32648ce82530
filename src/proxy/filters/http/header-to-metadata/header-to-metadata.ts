import type { RequestHead, ResponseHead } from "#http/message.ts";
import type { Json } from "../../../stream-info.ts";
import type { HttpFilter, HttpStream, Verdict } from "../filter.ts";
import type { MetadataEntry, Rule } from "./rule.ts";
import type { RuleStats } from "./stats.ts";

export interface RuleSet {
  readonly request: readonly Rule[];
  readonly response: readonly Rule[];
  /** Undefined without a stat_prefix. */
  readonly requestStats: RuleStats | undefined;
  readonly responseStats: RuleStats | undefined;
}

/** Dynamic metadata from headers and cookies. */
export class HeaderToMetadata implements HttpFilter {
  readonly #filterName: string;
  readonly #rules: RuleSet;

  constructor(filterName: string, rules: RuleSet) {
    this.#filterName = filterName;
    this.#rules = rules;
  }

  onRequestHead(stream: HttpStream, head: RequestHead): Verdict {
    const { request, requestStats } = this.#rulesOf(stream);
    if (request.length > 0) applyRules(request, head, stream, requestStats);
    return "continue";
  }

  onResponseHead(stream: HttpStream, head: ResponseHead): Verdict {
    const { response, responseStats } = this.#rulesOf(stream);
    if (response.length > 0) applyRules(response, head, stream, responseStats);
    return "continue";
  }

  #rulesOf(stream: HttpStream): RuleSet {
    if (stream.route?.hasFilterConfigs !== true) return this.#rules;
    return stream.routeConfig<RuleSet>(this.#filterName) ?? this.#rules;
  }
}

type Namespaces = Record<string, Record<string, Json>>;

/** All rules see what the stream had before; what they found is then written at once. */
function applyRules(
  rules: readonly Rule[],
  head: RequestHead | ResponseHead,
  stream: HttpStream,
  stats: RuleStats | undefined,
): void {
  let found: Namespaces | undefined;
  for (const rule of rules) {
    stats?.rulesProcessed.inc();
    const text = rule.read(head);
    if (text !== undefined && rule.removes !== undefined) head.headers.remove(rule.removes);
    const entry = text === undefined ? rule.missing : rule.present;
    if (entry === undefined) continue;
    if (text === undefined) stats?.headerNotFound.inc();
    const value = metadataValue(entry, text ?? "", stats);
    if (value === undefined) continue;
    stats?.metadataAdded.inc();
    found ??= {};
    found[entry.namespace] ??= {};
    (found[entry.namespace] as Record<string, Json>)[entry.key] = value;
  }
  for (const namespace in found)
    stream.setDynamicMetadata(namespace, found[namespace] as Record<string, Json>);
}

const lengthMax = 8192;

/** Undefined: nothing is added. */
function metadataValue(
  entry: MetadataEntry,
  text: string,
  stats: RuleStats | undefined,
): Json | undefined {
  let value = entry.value;
  if (value === "") {
    value = entry.rewrite === undefined ? text : entry.rewrite(text);
    if (value === "" && text !== "") stats?.regexSubstitutionFailed.inc();
  }
  if (value === "") return undefined;
  if (value.length >= lengthMax) {
    stats?.headerValueTooLong.inc();
    return undefined;
  }
  const decoded = entry.decode === undefined ? value : entry.decode(value);
  if (decoded === undefined) {
    stats?.base64DecodeFailed.inc();
    return undefined;
  }
  return entry.convert(decoded);
}
