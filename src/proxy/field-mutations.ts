import type { HeaderMutationJson } from "#gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js";
import type { HeaderValueOptionJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { HeaderList } from "#http/headers.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileHeaderFormat } from "./access-log/formatter.ts";
import { compileStringMatcher } from "./matching/string-matcher.ts";
import type { StreamInfo } from "./stream-info.ts";

export type ValueOf = (info: StreamInfo) => string;

/** One change of header or trailer fields. */
export type FieldMutation = (fields: HeaderList, info: StreamInfo) => void;

/** In the order they are written, which is the order they run in. */
export function compileFieldMutations(
  path: string,
  configs: readonly HeaderMutationJson[] | undefined,
): readonly FieldMutation[] {
  return compileEach(path, configs, compileOne);
}

function compileOne(config: HeaderMutationJson): FieldMutation {
  const { remove, append, removeOnMatch } = config;
  if (remove !== undefined) return within("remove", () => compileRemoval(remove));
  if (append !== undefined) return within("append", () => compileAppend(append));
  const keyMatcher = removeOnMatch?.keyMatcher;
  if (keyMatcher === undefined) throw refuse("", "remove, append or remove_on_match is required");
  const matches = within("remove_on_match.key_matcher", () => compileStringMatcher(keyMatcher));
  return (fields) => fields.removeIf(matches);
}

const unchangeable = /^(?::|host$)/i;

/** Envoy takes such a configuration and then fails the requests whose path or host is gone. */
function compileRemoval(name: string): FieldMutation {
  if (unchangeable.test(name)) throw refuse("", ":-prefixed or host headers may not be removed");
  const lower = name.toLowerCase();
  return (fields) => {
    fields.remove(lower);
  };
}

function compileAppend(config: HeaderValueOptionJson): FieldMutation {
  const key = config.header?.key ?? "";
  if (unchangeable.test(key))
    throw refuse("header.key", ":-prefixed or host headers may not be modified");
  const name = key.toLowerCase();
  const valueFor = within("header.value", () => compileValue(config.header?.value ?? ""));
  const put = putters[actionOf(config)];
  const keepEmpty = config.keepEmptyValue === true;
  return (fields, info) => {
    const value = valueFor(info);
    if (value !== "" || keepEmpty) put(fields, name, value);
  };
}

export function compileValue(text: string): ValueOf {
  return text.includes("%") ? compileHeaderFormat(text) : () => text;
}

type Action = NonNullable<HeaderValueOptionJson["appendAction"]>;

function actionOf({ append, appendAction }: HeaderValueOptionJson): Action {
  if (append === undefined) return appendAction ?? "APPEND_IF_EXISTS_OR_ADD";
  return append ? "APPEND_IF_EXISTS_OR_ADD" : "OVERWRITE_IF_EXISTS_OR_ADD";
}

const putters: Readonly<Record<Action, (fields: HeaderList, name: string, value: string) => void>> =
  {
    APPEND_IF_EXISTS_OR_ADD: (fields, name, value) => fields.add(name, value),
    ADD_IF_ABSENT(fields, name, value) {
      if (!fields.has(name)) fields.add(name, value);
    },
    OVERWRITE_IF_EXISTS_OR_ADD: overwrite,
    OVERWRITE_IF_EXISTS(fields, name, value) {
      if (fields.has(name)) overwrite(fields, name, value);
    },
  };

/** Envoy writes the new field behind the others, not in the old one's place. */
function overwrite(fields: HeaderList, name: string, value: string): void {
  fields.remove(name);
  fields.add(name, value);
}
