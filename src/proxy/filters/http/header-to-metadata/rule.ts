import type {
  Config_KeyValuePairJson,
  Config_RuleJson,
} from "#gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js";
import type { RequestHead, ResponseHead } from "#http/message.ts";
import { refuse, within } from "#lib/config-error.ts";
import { cookieValue } from "../../../cookies.ts";
import { byteText } from "../../../matching/byte-text.ts";
import { compileRegex } from "../../../matching/regex.ts";
import type { Json } from "../../../stream-info.ts";
import { decodeBase64, numberOf, protobufValue, textOf } from "./values.ts";

export interface Rule {
  /** The field's values joined, or the cookie's; undefined: missing. */
  read(head: RequestHead | ResponseHead): string | undefined;
  /** The field to take away once it is read. */
  readonly removes: string | undefined;
  readonly present: MetadataEntry | undefined;
  readonly missing: MetadataEntry | undefined;
}

/** What becomes of a value. Texts are byte strings until `convert`. */
export interface MetadataEntry {
  readonly namespace: string;
  readonly key: string;
  /** "": that of the field or cookie. */
  readonly value: string;
  readonly rewrite: ((text: string) => string) | undefined;
  /** Undefined result: it could not be decoded. */
  readonly decode: ((text: string) => string | undefined) | undefined;
  /** Undefined result: it is not of this type. */
  readonly convert: (text: string) => Json | undefined;
}

const defaultNamespace = "envoy.filters.http.header_to_metadata";

export function compileRule(config: Config_RuleJson): Rule {
  const { header = "", cookie = "", onHeaderPresent, onHeaderMissing, remove = false } = config;
  if (header !== "" && cookie !== "")
    throw refuse("", "Cannot specify both header and cookie in the same rule");
  if (header === "" && cookie === "")
    throw refuse("", "One of Cookie or Header option needs to be specified");
  if (onHeaderPresent === undefined && onHeaderMissing === undefined) {
    const what = header === "" ? `cookie '${cookie}'` : `header '${header}'`;
    throw refuse(
      "",
      `header to metadata filter: rule for ${what} has neither \`on_header_present\` nor \`on_header_missing\` set`,
    );
  }
  if (cookie !== "" && remove) throw refuse("remove", "Cannot specify remove for cookie");
  if (onHeaderMissing !== undefined && (onHeaderMissing.value ?? "") === "")
    throw refuse("on_header_missing", "Cannot specify on_header_missing rule with an empty value");
  const name = header.toLowerCase();
  return {
    read: header === "" ? (head) => nonEmpty(cookieValue(head.headers, cookie)) : joined(name),
    removes: remove ? name : undefined,
    present:
      onHeaderPresent && within("on_header_present", () => compileEntry(onHeaderPresent, true)),
    missing:
      onHeaderMissing && within("on_header_missing", () => compileEntry(onHeaderMissing, false)),
  };
}

const nonEmpty = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

function joined(name: string): Rule["read"] {
  return (head) => {
    const first = head.get(name);
    if (first === undefined) return undefined;
    const all = head.headers.getAll(name);
    return all.length > 1 ? all.join(",") : first;
  };
}

function compileEntry(config: Config_KeyValuePairJson, rewrites: boolean): MetadataEntry {
  const { metadataNamespace = "", key = "", value = "", regexValueRewrite, encode } = config;
  if (rewrites && value !== "" && regexValueRewrite !== undefined)
    throw refuse("", "Cannot specify both value and regex_value_rewrite");
  return {
    namespace: metadataNamespace === "" ? defaultNamespace : metadataNamespace,
    key,
    value: byteText(value),
    rewrite: rewrites
      ? within("regex_value_rewrite", () => compileRewrite(regexValueRewrite))
      : undefined,
    decode: encode === "BASE64" ? decodeBase64 : undefined,
    convert: converters[String(config.type ?? "STRING")] ?? textOf,
  };
}

function compileRewrite(
  config: Config_KeyValuePairJson["regexValueRewrite"],
): ((text: string) => string) | undefined {
  if (config === undefined) return undefined;
  const { pattern, substitution = "" } = config;
  const regex = within("pattern", () => compileRegex(pattern?.regex ?? ""));
  const replacement = byteText(substitution);
  return (text) => regex.replaceAll(text, replacement);
}

const converters: Readonly<Record<string, (text: string) => Json | undefined>> = {
  STRING: textOf,
  NUMBER: numberOf,
  PROTOBUF_VALUE: protobufValue,
};
