import { readObjects } from "#model/documents.ts";
import { type ConfigObject, type ObjectSource, objectKey } from "#model/object.ts";

/** An object as a row holds it: the object itself, and the text that it came from. */
export interface SavedObject {
  readonly object: Omit<ConfigObject, "source">;
  /** Of the texts; absent: it came without one. */
  readonly text?: number;
}

/** A source that knows its whole text, so that lines can be found again after a restart. */
export interface TextSource extends ObjectSource {
  readonly text: string;
}

function hasText(source: ObjectSource | undefined): source is TextSource {
  return source !== undefined && "text" in source && typeof source.text === "string";
}

/** The object's source with the text of its whole file. */
export function withText(object: ConfigObject, text: string): ConfigObject {
  const { source } = object;
  if (source === undefined) return object;
  const whole: TextSource = {
    name: source.name,
    positionOf: (keys) => source.positionOf(keys),
    text,
  };
  return { ...object, source: whole };
}

export function savedObject(
  { source, ...object }: ConfigObject,
  keep: (name: string, text: string) => number,
): SavedObject {
  return hasText(source) ? { object, text: keep(source.name, source.text) } : { object };
}

type Text = { readonly name: string; readonly text: string };

/** Makes objects of rows; texts are read only when somebody asks for a line. */
export class TextReader {
  readonly #read: (id: number) => Text | undefined;

  constructor(read: (id: number) => Text | undefined) {
    this.#read = read;
  }

  restore(json: string): ConfigObject {
    // Written by `savedObject`, and by nothing else.
    const { object, text } = JSON.parse(json) as SavedObject;
    if (text === undefined) return object;
    const found = this.#read(text);
    return found === undefined ? object : { ...object, source: lazySource(object, found) };
  }
}

function lazySource(object: Omit<ConfigObject, "source">, { name, text }: Text): TextSource {
  let located: ObjectSource | undefined;
  return {
    name,
    text,
    positionOf: (keys) => {
      const key = objectKey(object);
      located ??= readObjects(name, text).objects.find((one) => objectKey(one) === key)?.source;
      return located?.positionOf(keys) ?? { line: 1, column: 1 };
    },
  };
}
