import type { HeaderValueOptionJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Formatter } from "../access-log/access-log.ts";
import { compileHeaderFormat } from "../access-log/formatter.ts";
import type { StreamInfo } from "../stream-info.ts";
import type { HeaderChanges } from "./route.ts";

/** The four lists that a route configuration, virtual host, route or weighted cluster may have. */
export interface HeaderChangeConfig {
  readonly requestHeadersToAdd?: readonly HeaderValueOptionJson[];
  readonly requestHeadersToRemove?: readonly string[];
  readonly responseHeadersToAdd?: readonly HeaderValueOptionJson[];
  readonly responseHeadersToRemove?: readonly string[];
}

interface Addition {
  readonly name: string;
  readonly value: string | Formatter;
  readonly action: string;
  readonly keepEmpty: boolean;
}

/** In the order they are applied. */
export interface Additions {
  readonly list: readonly Addition[];
  /** No addition looks at what another one changes: they may be applied one by one. */
  readonly independent: boolean;
}

/** One level's changes in one direction. */
export interface FieldChanges {
  readonly removals: readonly string[];
  readonly additions: Additions;
}

export interface LevelChanges {
  readonly request: FieldChanges;
  readonly response: FieldChanges;
}

const unchangeable = /^(?::|host$)/i;

export function compileLevel(config: HeaderChangeConfig): LevelChanges {
  return {
    request: {
      removals: compileRemovals("request_headers_to_remove", config.requestHeadersToRemove),
      additions: compileAdditions("request_headers_to_add", config.requestHeadersToAdd),
    },
    response: {
      removals: compileRemovals("response_headers_to_remove", config.responseHeadersToRemove),
      additions: compileAdditions("response_headers_to_add", config.responseHeadersToAdd),
    },
  };
}

function compileRemovals(path: string, names: readonly string[] | undefined): readonly string[] {
  return compileEach(path, names, (name) => {
    if (unchangeable.test(name)) throw refuse("", ":-prefixed or host headers may not be removed");
    return name.toLowerCase();
  });
}

export function compileAdditions(
  path: string,
  options: readonly HeaderValueOptionJson[] | undefined,
): Additions {
  const additions = compileEach(path, options, compileAddition);
  // Envoy overwrites before it adds.
  const list = [...additions.filter(overwrites), ...additions.filter((it) => !overwrites(it))];
  const names = new Set(list.map((addition) => addition.name));
  const independent =
    names.size === list.length && list.every(({ value }) => typeof value === "string");
  return { list, independent: independent || list.length === 1 };
}

function overwrites({ action }: Addition): boolean {
  return action === "OVERWRITE_IF_EXISTS" || action === "OVERWRITE_IF_EXISTS_OR_ADD";
}

function compileAddition(option: HeaderValueOptionJson): Addition {
  const name = option.header?.key ?? "";
  if (unchangeable.test(name))
    throw refuse("header.key", ":-prefixed or host headers may not be modified");
  const text = option.header?.value ?? "";
  const append = option.append;
  const action =
    option.appendAction ??
    (append === false ? "OVERWRITE_IF_EXISTS_OR_ADD" : "APPEND_IF_EXISTS_OR_ADD");
  const value = within("header.value", () =>
    text.includes("%") ? compileHeaderFormat(text) : text,
  );
  return { name: name.toLowerCase(), value, action, keepEmpty: option.keepEmptyValue === true };
}

/** Removal before addition, as Envoy. */
export function applyChanges(changes: FieldChanges, headers: HeaderList, info: StreamInfo): void {
  for (const name of changes.removals) headers.remove(name);
  applyAdditions(changes.additions, headers, info);
}

export function applyAdditions(additions: Additions, headers: HeaderList, info: StreamInfo): void {
  const { list } = additions;
  if (additions.independent) {
    for (const addition of list) {
      const value = valueFor(addition, headers, info);
      if (value !== undefined) apply(addition, headers, value);
    }
    return;
  }
  // Every value and condition is about the fields as they were before.
  const values = list.map((addition) => valueFor(addition, headers, info));
  for (const [index, addition] of list.entries()) {
    const value = values[index];
    if (value !== undefined) apply(addition, headers, value);
  }
}

/** undefined: nothing to add. */
function valueFor(
  { name, value, action, keepEmpty }: Addition,
  headers: HeaderList,
  info: StreamInfo,
): string | undefined {
  if (action === "ADD_IF_ABSENT" && headers.has(name)) return undefined;
  if (action === "OVERWRITE_IF_EXISTS" && !headers.has(name)) return undefined;
  const text = typeof value === "string" ? value : value(info);
  return text === "" && !keepEmpty ? undefined : text;
}

function apply(addition: Addition, headers: HeaderList, value: string): void {
  if (overwrites(addition)) headers.set(addition.name, value);
  else headers.add(addition.name, value);
}

/** The levels' changes as one, in the order they are to be applied; undefined when nothing changes. */
export function combineLevels(levels: readonly LevelChanges[]): HeaderChanges | undefined {
  const requests = levels.map((level) => level.request).filter(hasChanges);
  const responses = levels.map((level) => level.response).filter(hasChanges);
  if (requests.length === 0 && responses.length === 0) return undefined;
  return {
    changesRequest: requests.length > 0,
    changesResponse: responses.length > 0,
    request: (head: RequestHead, info: StreamInfo) => {
      for (const changes of requests) applyChanges(changes, head.headers, info);
    },
    response: (head: ResponseHead, info: StreamInfo) => {
      for (const changes of responses) applyChanges(changes, head.headers, info);
    },
  };
}

function hasChanges(changes: FieldChanges): boolean {
  return changes.removals.length > 0 || changes.additions.list.length > 0;
}
