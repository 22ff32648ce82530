import type {
  KeyValueAppendJson,
  KeyValueMutationJson,
} from "#gen/envoy/config/core/v3/base_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { compileValue } from "../../../field-mutations.ts";
import type { StreamInfo } from "../../../stream-info.ts";

/** A parameter as it stands in the path, and its name decoded. */
interface Parameter {
  readonly key: string;
  readonly text: string;
}

type QueryMutation = (parameters: Parameter[], info: StreamInfo) => void;

/** Changes the query of a path. What no mutation names stays byte for byte, and where it is. */
export type PathMutation = (path: string, info: StreamInfo) => string;

export function compileQueryMutations(
  path: string,
  configs: readonly KeyValueMutationJson[] | undefined,
): PathMutation | undefined {
  const mutations = compileEach(path, configs, compileOne);
  if (mutations.length === 0) return undefined;
  return (target, info) => {
    const question = target.indexOf("?");
    const base = question === -1 ? target : target.slice(0, question);
    const parameters = question === -1 ? [] : parse(target.slice(question + 1));
    for (const mutate of mutations) mutate(parameters, info);
    const query = parameters.map(({ text }) => text).join("&");
    return query === "" ? base : `${base}?${query}`;
  };
}

function compileOne({ append, remove }: KeyValueMutationJson): QueryMutation {
  if (append !== undefined) return within("append", () => compileAppend(append));
  if (remove === undefined || remove === "") throw refuse("", "append or remove is required");
  return (parameters) => {
    removeFrom(parameters, remove);
  };
}

function compileAppend(config: KeyValueAppendJson): QueryMutation {
  const { key = "", value } = config.record ?? {};
  if (key === "") throw refuse("record.key", "is required");
  if (typeof value !== "string") throw refuse("record.value", "must be a string");
  const valueFor = within("record.value", () => compileValue(value));
  const put = putters[config.action ?? "APPEND_IF_EXISTS_OR_ADD"];
  const name = percentEncode(key);
  return (parameters, info) =>
    put(parameters, { key, text: `${name}=${percentEncode(valueFor(info))}` });
}

type Action = NonNullable<KeyValueAppendJson["action"]>;

const putters: Readonly<Record<Action, (parameters: Parameter[], parameter: Parameter) => void>> = {
  APPEND_IF_EXISTS_OR_ADD(parameters, parameter) {
    const last = parameters.findLastIndex(({ key }) => key === parameter.key);
    parameters.splice(last === -1 ? parameters.length : last + 1, 0, parameter);
  },
  ADD_IF_ABSENT(parameters, parameter) {
    if (!parameters.some(({ key }) => key === parameter.key)) parameters.push(parameter);
  },
  OVERWRITE_IF_EXISTS_OR_ADD: overwrite,
  OVERWRITE_IF_EXISTS(parameters, parameter) {
    if (parameters.some(({ key }) => key === parameter.key)) overwrite(parameters, parameter);
  },
};

function overwrite(parameters: Parameter[], parameter: Parameter): void {
  const first = parameters.findIndex(({ key }) => key === parameter.key);
  removeFrom(parameters, parameter.key);
  parameters.splice(first === -1 ? parameters.length : first, 0, parameter);
}

function removeFrom(parameters: Parameter[], name: string): void {
  let kept = 0;
  for (const parameter of parameters) if (parameter.key !== name) parameters[kept++] = parameter;
  parameters.length = kept;
}

function parse(query: string): Parameter[] {
  if (query === "") return [];
  return query.split("&").map((text) => {
    const equals = text.indexOf("=");
    return { key: percentDecode(equals === -1 ? text : text.slice(0, equals)), text };
  });
}

const decoder = new TextDecoder();

/** A name may be written in many ways: `%61=1` is `a` to the server. What is no escape is itself. */
function percentDecode(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return decoder.decode(Buffer.from(bytes, "latin1"));
}

/** RFC 3986 §2.3: all but the unreserved characters. */
function percentEncode(text: string): string {
  if (/^[\w.~-]*$/.test(text)) return text;
  let out = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte);
    out += /[\w.~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
