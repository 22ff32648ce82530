import type { JsonValue } from "@bufbuild/protobuf";
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  parseDocument,
  type ScalarTag,
  type Tags,
} from "yaml";

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A text of configuration, its value, and where each value stands. */
export interface SourceText {
  /** As problems name it. */
  readonly name: string;
  /** Undefined when the text holds nothing. */
  readonly value: JsonValue | undefined;
  /** What makes the text unreadable; then there is no value. */
  readonly unreadable: readonly (Position & { readonly message: string })[];
  readonly positionOf: (keys: readonly (string | number)[], at: "key" | "value") => Position;
}

/** JSON is read by the engine's own parser, which is faster; positions are looked for only when there is a problem. */
export function readSource(name: string, text: string): SourceText {
  const json = /^\s*\{/.test(text) ? parseJson(text) : undefined;
  const document = json === undefined ? readYaml(text) : undefined;
  let located = document;
  return {
    name,
    value: json ?? document?.value,
    unreadable: document?.errors ?? [],
    positionOf(keys, at) {
      located ??= readYaml(text);
      return located.positionOf(keys, at);
    },
  };
}

/** A message that came as bytes has no lines. */
export function sourceWithoutText(name: string, value: JsonValue): SourceText {
  return { name, value, unreadable: [], positionOf: () => ({ line: 1, column: 1 }) };
}

function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    // It may be YAML's flow style; if not, the YAML reader says what is wrong and where.
    return undefined;
  }
}

// Envoy reads YAML 1.1's words as booleans, unquoted; the 1.2 schema does not know them.
const wordBoolean: ScalarTag = {
  identify: () => false,
  default: true,
  tag: "tag:yaml.org,2002:bool",
  test: /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|on)/i.test(text),
};

interface YamlText {
  readonly value: JsonValue | undefined;
  readonly errors: readonly (Position & { readonly message: string })[];
  readonly positionOf: (keys: readonly (string | number)[], at: "key" | "value") => Position;
}

const yamlOptions = {
  // A header or a label may be called "on" or "80".
  stringKeys: true,
  prettyErrors: false,
};

const envoyOptions = { ...yamlOptions, customTags: (tags: Tags) => [...tags, wordBoolean] };

function readYaml(text: string): YamlText {
  const lineCounter = new LineCounter();
  return textOf(parseDocument(text, { ...envoyOptions, lineCounter }), lineCounter);
}

function textOf(document: Document.Parsed, lineCounter: LineCounter): YamlText {
  const position = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  const errors = document.errors.map((error) => ({
    ...position(error.pos[0]),
    message: error.message,
  }));
  return {
    ...contentOf(document, errors),
    positionOf: (keys, at) => position(offsetOf(document.contents, keys, at)),
  };
}

function contentOf(
  document: Document.Parsed,
  errors: YamlText["errors"],
): Pick<YamlText, "value" | "errors"> {
  if (errors.length > 0) return { value: undefined, errors };
  try {
    return { value: toJson(document) ?? undefined, errors };
  } catch (error) {
    // Aliases that would grow without end.
    const message = error instanceof Error ? error.message : String(error);
    return { value: undefined, errors: [{ line: 1, column: 1, message }] };
  }
}

function toJson(document: Document.Parsed): JsonValue {
  // The core schema makes null, booleans, numbers, strings, arrays and plain objects, and nothing else.
  return document.toJS({ maxAliasCount: 1000 }) as JsonValue;
}

/** The offset of what stands at the path, or of the nearest thing above it. */
function offsetOf(
  root: Node | null,
  keys: readonly (string | number)[],
  at: "key" | "value",
): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const [index, key] of keys.entries()) {
    const last = index === keys.length - 1;
    if (isSeq(node) && typeof key === "number") {
      node = node.items[key];
    } else if (isMap(node)) {
      const pair = pairOf(node.items, String(key));
      if (pair === undefined) break;
      offset = startOf(pair.key) ?? offset;
      if (last && at === "key") break;
      node = pair.value;
    } else if (key !== 0) {
      // One value stands for a list of one.
      break;
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function pairOf(items: readonly Pair[], key: string): Pair | undefined {
  const keyOf = (pair: Pair): string =>
    isScalar(pair.key) ? String(pair.key.source ?? pair.key.value) : "";
  const exact = items.find((pair) => keyOf(pair) === key);
  return exact ?? items.find((pair) => camelCase(keyOf(pair)) === camelCase(key));
}

export function camelCase(name: string): string {
  return name.replace(/_+(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

function startOf(node: unknown): number | undefined {
  const ranged = node as { range?: readonly number[] } | null | undefined; // every node of the tree has one
  return ranged?.range?.[0];
}

/** The most documents that are read of one text. */
export const documentsMax = 10_000;

/**
 * A file of many YAML documents, or one of JSON. YAML 1.1's words (`yes`, `n`) are texts; where a boolean is wanted, the decoder takes them. Each document is readable or not by itself; its positions are the file's. The syntax
 * trees are read again when a position is asked for, because they take ten times the text's memory.
 */
export function readSources(name: string, text: string): readonly SourceText[] {
  const json = /^\s*[{[]/.test(text) ? parseJson(text) : undefined;
  let trees = new WeakRef<readonly YamlText[]>([]);
  const treesAgain = (): readonly YamlText[] => {
    const held = trees.deref();
    if (held !== undefined && held.length > 0) return held;
    const read = readDocuments(text);
    trees = new WeakRef(read);
    return read;
  };
  const documents: readonly Pick<YamlText, "value" | "errors">[] =
    json === undefined ? treesAgain() : [{ value: json, errors: [] }];
  return documents.map(({ value, errors }, index) => ({
    name,
    value,
    unreadable: errors,
    positionOf: (keys, at) => treesAgain()[index]?.positionOf(keys, at) ?? { line: 1, column: 1 },
  }));
}

function readDocuments(text: string): readonly YamlText[] {
  const lineCounter = new LineCounter();
  try {
    const documents = parseAllDocuments(text, { ...yamlOptions, merge: true, lineCounter });
    const read = [...documents].slice(0, documentsMax);
    const texts = read.map((document) => textOf(document, lineCounter));
    if (documents.length <= documentsMax) return texts;
    const message = `holds more than ${documentsMax} documents`;
    return [...texts, { ...emptyText, errors: [{ line: 1, column: 1, message }] }];
  } catch (error) {
    // The parser recurses: a text of ten thousand brackets overflows its stack.
    return [
      { ...emptyText, errors: [{ line: 1, column: 1, message: `cannot be read: ${error}` }] },
    ];
  }
}

const emptyText: YamlText = {
  value: undefined,
  errors: [],
  positionOf: () => ({ line: 1, column: 1 }),
};
