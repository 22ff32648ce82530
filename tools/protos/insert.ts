/** Puts declarations into the text of a .proto file. */

/** What one file has gained; made by newer-fields.py. */
export interface Additions {
  /** Of a file that is wholly new. */
  readonly package?: string;
  readonly imports: readonly string[];
  /** Declarations by place: a message or enum by full name, `message#oneof`, or empty for the end of the file. */
  readonly insert: Readonly<Record<string, readonly string[]>>;
}

/** The text that a wholly new file starts with. */
export function emptyFile(packageName: string): string {
  return `syntax = "proto3";\npackage ${packageName};\n`;
}

export function insertInto(text: string, { imports, insert }: Additions): string {
  const places = findPlaces(text);
  const edits = Object.entries(insert).map(([place, declarations]) => {
    const offset = places.get(place);
    if (offset === undefined) {
      throw new Error(`no ${place} to add ${declarations[0]} to`);
    }
    return { offset, added: `\n${declarations.join("\n")}\n` };
  });
  // From the end, so that offsets stay true.
  edits.sort((left, right) => right.offset - left.offset);
  const edited = edits.reduce(
    (result, edit) => result.slice(0, edit.offset) + edit.added + result.slice(edit.offset),
    text,
  );
  const missing = imports.filter((name) => !text.includes(`"${name}"`));
  const statements = missing.map((name) => `\nimport "${name}";`).join("");
  // The package ships its files with CRLF line ends.
  return edited.replace(/^package [\w.]+;/m, `$&${statements}`);
}

const tokens =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\b(?<kind>message|enum|oneof)\s+(?<name>\w+)\s*\{|(?<brace>[{}])/g;

/** The offset before the closing brace of every message, enum and oneof: an enum's first value must stay first. */
function findPlaces(text: string): ReadonlyMap<string, number> {
  const scope = [/^package ([\w.]+);/m.exec(text)?.[1] ?? ""];
  const places = new Map([["", text.length]]);
  for (const match of text.matchAll(tokens)) {
    const { kind, name, brace } = match.groups ?? {};
    const outer = scope.at(-1) ?? "";
    if (name !== undefined) {
      scope.push(`${outer}${kind === "oneof" ? "#" : "."}${name}`);
    } else if (brace === "{") {
      // Of an option or an RPC: its end must not be taken for its message's, which comes later and wins.
      scope.push(outer);
    } else if (brace === "}") {
      places.set(outer, match.index);
      scope.pop();
    }
  }
  return places;
}
