import type { TypedExtensionConfigJson } from "#gen/xds/core/v3/extension_pb.js";
import type { ServerNameMatcherJson } from "#gen/xds/type/matcher/v3/domain_pb.js";
import type { IPMatcherJson } from "#gen/xds/type/matcher/v3/ip_pb.js";
import type {
  Matcher_MatcherList_Predicate_SinglePredicateJson,
  Matcher_MatcherList_PredicateJson,
  Matcher_MatcherListJson,
  Matcher_MatcherTreeJson,
  Matcher_OnMatchJson,
  MatcherJson,
} from "#gen/xds/type/matcher/v3/matcher_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileCidr, networkHas, parseIp } from "./cidr.ts";
import { compileStringMatcher } from "./string-matcher.ts";

/** What a tree says about an input; undefined: nothing. */
export type MatchTree<I, A> = (input: I) => A | undefined;

/** What the user of a tree gives it: facts to look at and things to do. */
export interface MatchEnvironment<I, A> {
  /** Undefined: this input has no such fact. */
  readonly input: (config: TypedExtensionConfigJson) => (input: I) => string | undefined;
  readonly action: (config: TypedExtensionConfigJson) => A;
}

const ipMatcher = "xds.type.matcher.v3.IPMatcher";
const serverNameMatcher = "xds.type.matcher.v3.ServerNameMatcher";

export function typeOfExtension(config: TypedExtensionConfigJson | undefined): string {
  const typed = config?.typedConfig as { readonly "@type"?: string } | undefined;
  return typed?.["@type"]?.split("/").pop() ?? "";
}

/** `xds.type.matcher.v3.Matcher`. A branch that leads to nothing is left again. Throws ConfigError. */
export function compileMatcher<I, A>(
  config: MatcherJson,
  environment: MatchEnvironment<I, A>,
): MatchTree<I, A> {
  const { matcherList, matcherTree, onNoMatch } = config;
  const otherwise =
    onNoMatch === undefined
      ? undefined
      : within("on_no_match", () => compileOnMatch(onNoMatch, environment));
  const first = compileFirst(matcherList, matcherTree, environment);
  return otherwise === undefined ? first : (input) => first(input) ?? otherwise(input);
}

function compileFirst<I, A>(
  list: Matcher_MatcherListJson | undefined,
  tree: Matcher_MatcherTreeJson | undefined,
  environment: MatchEnvironment<I, A>,
): MatchTree<I, A> {
  if (list !== undefined) return within("matcher_list", () => compileList(list, environment));
  if (tree !== undefined) return within("matcher_tree", () => compileTree(tree, environment));
  return () => undefined;
}

function compileOnMatch<I, A>(
  config: Matcher_OnMatchJson | undefined,
  environment: MatchEnvironment<I, A>,
): MatchTree<I, A> {
  const { matcher, action, keepMatching } = config ?? {};
  if (keepMatching === true) throw refuse("keep_matching", "is not supported");
  if (matcher !== undefined) return within("matcher", () => compileMatcher(matcher, environment));
  if (action === undefined) throw refuse("on_match", "matcher or action is required");
  const result = within("action", () => environment.action(action));
  return () => result;
}

function compileList<I, A>(
  config: Matcher_MatcherListJson,
  environment: MatchEnvironment<I, A>,
): MatchTree<I, A> {
  const entries = compileEach("matchers", config.matchers, ({ predicate, onMatch }) => ({
    applies: within("predicate", () => compilePredicate(predicate ?? {}, environment)),
    result: within("on_match", () => compileOnMatch(onMatch, environment)),
  }));
  return (input) => {
    for (const { applies, result } of entries) {
      const found = applies(input) ? result(input) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function compilePredicate<I, A>(
  config: Matcher_MatcherList_PredicateJson,
  environment: MatchEnvironment<I, A>,
): (input: I) => boolean {
  const each = (path: string, list: readonly Matcher_MatcherList_PredicateJson[] | undefined) =>
    compileEach(`${path}.predicate`, list, (item) => compilePredicate(item, environment));
  const { singlePredicate, orMatcher, andMatcher, notMatcher } = config;
  if (orMatcher !== undefined) {
    const parts = each("or_matcher", orMatcher.predicate);
    return (input) => parts.some((part) => part(input));
  }
  if (andMatcher !== undefined) {
    const parts = each("and_matcher", andMatcher.predicate);
    return (input) => parts.every((part) => part(input));
  }
  if (notMatcher !== undefined) {
    const part = within("not_matcher", () => compilePredicate(notMatcher, environment));
    return (input) => !part(input);
  }
  return within("single_predicate", () => compileSingle(singlePredicate ?? {}, environment));
}

function compileSingle<I, A>(
  { input, valueMatch }: Matcher_MatcherList_Predicate_SinglePredicateJson,
  environment: MatchEnvironment<I, A>,
): (value: I) => boolean {
  if (input === undefined) throw refuse("input", "is required");
  if (valueMatch === undefined) throw refuse("", "only value_match is supported here");
  const read = within("input", () => environment.input(input));
  // xds and Envoy spell the same message.
  const matches = within("value_match", () => compileStringMatcher(valueMatch));
  return (value) => {
    const text = read(value);
    return text !== undefined && matches(text);
  };
}

function compileTree<I, A>(
  config: Matcher_MatcherTreeJson,
  environment: MatchEnvironment<I, A>,
): MatchTree<I, A> {
  const { input, customMatch } = config;
  if (input === undefined) throw refuse("input", "is required");
  const read = within("input", () => environment.input(input));
  const find =
    customMatch === undefined
      ? compileMap(config, environment)
      : within("custom_match", () => compileCustom(customMatch, environment));
  return (value) => {
    const text = read(value);
    return text === undefined ? undefined : find(text, value);
  };
}

type Find<I, A> = (text: string, input: I) => A | undefined;

function compileMap<I, A>(
  config: Matcher_MatcherTreeJson,
  environment: MatchEnvironment<I, A>,
): Find<I, A> {
  const { exactMatchMap, prefixMatchMap } = config;
  const path = exactMatchMap === undefined ? "prefix_match_map" : "exact_match_map";
  const map = (exactMatchMap ?? prefixMatchMap)?.map ?? {};
  const entries = compileEach(`${path}.map`, Object.entries(map), ([key, onMatch]) => ({
    key,
    result: compileOnMatch(onMatch, environment),
  }));
  if (exactMatchMap !== undefined) {
    const byKey = new Map(entries.map(({ key, result }) => [key, result]));
    return (text, input) => byKey.get(text)?.(input);
  }
  entries.sort((a, b) => b.key.length - a.key.length);
  return (text, input) => {
    for (const { key, result } of entries) {
      const found = text.startsWith(key) ? result(input) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function compileCustom<I, A>(
  config: TypedExtensionConfigJson,
  environment: MatchEnvironment<I, A>,
): Find<I, A> {
  const type = typeOfExtension(config);
  // Proof, twice: its @type, which the reader checked.
  if (type === ipMatcher) return compileIps(config.typedConfig as IPMatcherJson, environment);
  if (type === serverNameMatcher)
    return compileNames(config.typedConfig as ServerNameMatcherJson, environment);
  throw refuse("typed_config", `${type} is not supported`);
}

/** The longest prefix; when it leads to nothing, the next shorter, unless that wants to be the longest or nothing (`exclusive`). */
function compileIps<I, A>(config: IPMatcherJson, environment: MatchEnvironment<I, A>): Find<I, A> {
  const ranges = compileEach("range_matchers", config.rangeMatchers, (matcher) => {
    const result = within("on_match", () => compileOnMatch(matcher.onMatch, environment));
    return compileEach("ranges", matcher.ranges, (range) => ({
      cidr: compileCidr(range),
      exclusive: matcher.exclusive === true,
      result,
    }));
  }).flat();
  ranges.sort((a, b) => b.cidr.bits - a.cidr.bits);
  return (text, input) => {
    const ip = parseIp(text);
    if (ip === undefined) return undefined;
    let isFirst = true;
    for (const { cidr, exclusive, result } of ranges) {
      if (!networkHas(cidr, ip) || (exclusive && !isFirst)) continue;
      isFirst = false;
      const found = result(input);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** The name itself, then its wildcards from the longest to "*". */
function compileNames<I, A>(
  config: ServerNameMatcherJson,
  environment: MatchEnvironment<I, A>,
): Find<I, A> {
  const byDomain = new Map<string, MatchTree<I, A>>();
  compileEach("domain_matchers", config.domainMatchers, (matcher) => {
    const result = within("on_match", () => compileOnMatch(matcher.onMatch, environment));
    for (const domain of matcher.domains ?? []) {
      if (byDomain.has(domain)) throw refuse("domains", `Duplicate domain: ${domain}`);
      byDomain.set(domain, result);
    }
  });
  return (text, input) => {
    let found = byDomain.get(text)?.(input);
    for (
      let at = text.indexOf(".");
      at !== -1 && found === undefined;
      at = text.indexOf(".", at + 1)
    )
      found = byDomain.get(`*${text.slice(at)}`)?.(input);
    return found ?? byDomain.get("*")?.(input);
  };
}
