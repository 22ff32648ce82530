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

/** One level's changes in one direction. */
export interface FieldChanges {
  readonly removals: readonly string[];
  readonly additions: readonly Addition[];
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
): readonly Addition[] {
  return compileEach(path, options, (option) => {
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
  });
}

/** Removal before addition, as Envoy. */
export function applyChanges(changes: FieldChanges, headers: HeaderList, info: StreamInfo): void {
  for (const name of changes.removals) headers.remove(name);
  for (const addition of changes.additions) {
    const value = typeof addition.value === "string" ? addition.value : addition.value(info);
    if (value === "" && !addition.keepEmpty) continue;
    applyAddition(addition, headers, value);
  }
}

function applyAddition({ name, action }: Addition, headers: HeaderList, value: string): void {
  switch (action) {
    case "ADD_IF_ABSENT":
      if (!headers.has(name)) headers.add(name, value);
      return;
    case "OVERWRITE_IF_EXISTS_OR_ADD":
      headers.set(name, value);
      return;
    case "OVERWRITE_IF_EXISTS":
      if (headers.has(name)) headers.set(name, value);
      return;
    default:
      headers.add(name, value);
  }
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
  return changes.removals.length > 0 || changes.additions.length > 0;
}
