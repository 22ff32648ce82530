/**
 * URI templates of `envoy.extensions.path.{match,rewrite}.uri_template.v3`: `*` is one segment, `**` any number of them (and no
 * operator follows it), `{name}` and `{name=a/*}` are variables, before and behind which a segment may have plain text. Because a
 * segment ends at "/" and what follows `**` is plain text, a path is read once, from left to right.
 */
import { refuse } from "#lib/config-error.ts";

/** `tail`: how many characters the text behind it has, up to the next "/" or, behind `**`, up to the end. */
type Step =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "segment" | "rest"; readonly tail: number }
  | { readonly kind: "open" | "close"; readonly variable: number };

const variablesMax = 5;
const nameLengthMax = 16;
const variableName = /^[a-zA-Z][a-zA-Z0-9_]*$/;
/** RFC 3986 §3.3: pchar without `*`, which Envoy takes into its regex as it is: `/a*` there is `/`, `/a`, `/aa` … */
const literalText = /^[\w\-.~%!$&'()+,;:@=]+$/;

/** Characters that `*` takes, by code. */
const segmentCharacters = characterTable("!$%&'()*+,-.:;=@_~");
const slash = 0x2f;

function characterTable(marks: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let code = 0; code < 256; code++) {
    const character = String.fromCharCode(code);
    if (/[a-zA-Z0-9]/.test(character) || marks.includes(character)) table[code] = 1;
  }
  return table;
}

export class UriTemplate {
  /** Names of its variables, in order. */
  readonly variables: readonly string[];
  readonly #steps: readonly Step[];
  /** Where each variable's value begins and ends in the path matched last. */
  readonly #starts: number[];
  readonly #ends: number[];

  constructor(variables: readonly string[], steps: readonly Step[]) {
    this.variables = variables;
    this.#steps = steps;
    this.#starts = variables.map(() => 0);
    this.#ends = variables.map(() => 0);
  }

  /** `path` up to `end`, where its query begins. */
  matches(path: string, end: number = path.length): boolean {
    let at = 0;
    for (const step of this.#steps) {
      switch (step.kind) {
        case "text":
          if (!path.startsWith(step.text, at)) return false;
          at += step.text.length;
          break;
        case "segment":
          at = segmentEnd(path, at, end, step.tail);
          break;
        case "rest":
          at = restEnd(path, at, end - step.tail);
          break;
        case "open":
          this.#starts[step.variable] = at;
          break;
        case "close":
          this.#ends[step.variable] = at;
          break;
        default:
          return step satisfies never;
      }
      if (at < 0 || at > end) return false;
    }
    return at === end;
  }

  /** The value of a variable in the path that `matches` was last true of. */
  valueIn(path: string, variable: number): string {
    return path.slice(this.#starts[variable], this.#ends[variable]);
  }
}

/** Behind the characters of a segment that begin at `at`, which are one at least; -1: there are none. */
function segmentEnd(path: string, at: number, end: number, tail: number): number {
  let stop = at;
  while (stop < end && segmentCharacters[path.charCodeAt(stop)] === 1) stop++;
  return stop - tail > at ? stop - tail : -1;
}

function restEnd(path: string, at: number, end: number): number {
  if (end < at) return -1;
  for (let i = at; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code !== slash && segmentCharacters[code] !== 1) return -1;
  }
  return end;
}

export function compileUriTemplate(template: string): UriTemplate {
  return new TemplateParser(template).parse();
}

/** Reads a template as Envoy does, with its words for what is wrong. */
class TemplateParser {
  readonly #template: string;
  readonly #variables: string[] = [];
  readonly #steps: Step[] = [];
  #at = 1;

  constructor(template: string) {
    this.#template = template;
  }

  parse(): UriTemplate {
    const template = this.#template;
    if (!/^\/[!-~]*$/.test(template)) throw this.#wrong("Invalid pattern");
    this.#text("/");
    while (this.#at < template.length) {
      this.#segment();
      if (template[this.#at] !== "/") break;
      this.#text("/");
      this.#at++;
    }
    return new UriTemplate(this.#variables, withTails(this.#steps));
  }

  /** Up to a "/" or the end. */
  #segment(): void {
    const template = this.#template;
    if (template[this.#at] === "*") {
      this.#operator();
      if (this.#at === template.length || template[this.#at] === "/") return;
      this.#text(this.#literal(template.length));
      if (this.#at < template.length) throw this.#wrong("Prefix match not supported.");
      return;
    }
    const { length } = template;
    const open = template.indexOf("{", this.#at);
    if (open !== this.#at) this.#text(this.#literal(open === -1 ? length : open));
    if (this.#at !== open) return;
    this.#variable();
    if (this.#at < length && template[this.#at] !== "/") this.#text(this.#literal(length));
  }

  #operator(): void {
    if (this.#steps.some(({ kind }) => kind === "rest")) throw this.#wrong("Glob after text glob.");
    const rest = this.#template.startsWith("**", this.#at);
    this.#steps.push({ kind: rest ? "rest" : "segment", tail: 0 });
    this.#at += rest ? 2 : 1;
  }

  #variable(): void {
    const template = this.#template;
    const close = template.indexOf("}", this.#at);
    if (close === -1) throw this.#wrong("Unmatched variable bracket");
    const [name = ""] = template.slice(this.#at + 1, close).split("=", 1);
    const variable = this.#declare(name);
    this.#at += 1 + name.length;
    this.#steps.push({ kind: "open", variable });
    if (this.#at === close) this.#implicitSegment();
    else {
      this.#at++;
      this.#variableParts(close);
    }
    this.#steps.push({ kind: "close", variable });
    this.#at = close + 1;
  }

  #declare(name: string): number {
    if (!variableName.test(name)) throw this.#wrong("Invalid variable name");
    if (name.length > nameLengthMax) throw this.#wrong("Invalid variable length");
    if (this.#variables.includes(name)) throw this.#wrong("Repeated variable name");
    if (this.#variables.length === variablesMax) throw this.#wrong("Exceeded variable count limit");
    return this.#variables.push(name) - 1;
  }

  #implicitSegment(): void {
    if (this.#steps.some(({ kind }) => kind === "rest"))
      throw this.#wrong("Implicit variable path glob after text glob.");
    this.#steps.push({ kind: "segment", tail: 0 });
  }

  #variableParts(close: number): void {
    if (this.#at === close) throw this.#wrong("Empty variable match");
    for (;;) {
      if (this.#template[this.#at] === "*") this.#operator();
      else this.#text(this.#literal(close));
      if (this.#at === close) return;
      if (this.#template[this.#at] !== "/" || this.#at + 1 === close)
        throw this.#wrong("Invalid variable match");
      this.#text("/");
      this.#at++;
    }
  }

  /** Up to the next "/", or to `end`. */
  #literal(end: number): string {
    const stop = this.#template.indexOf("/", this.#at);
    const to = stop === -1 || stop > end ? end : stop;
    const text = this.#template.slice(this.#at, to);
    if (!literalText.test(text)) throw this.#wrong("Invalid literal");
    this.#at = to;
    return text;
  }

  /** Neighbouring texts are one. */
  #text(text: string): void {
    const last = this.#steps.at(-1);
    if (last?.kind === "text")
      this.#steps[this.#steps.length - 1] = { kind: "text", text: last.text + text };
    else this.#steps.push({ kind: "text", text });
  }

  #wrong(reason: string): Error {
    return refuse("path_template", `${this.#template} is invalid: ${reason}`);
  }
}

function withTails(steps: readonly Step[]): readonly Step[] {
  return steps.map((step, index) => {
    if (step.kind !== "segment" && step.kind !== "rest") return step;
    const after = steps.slice(index + 1);
    const next = after.findIndex(({ kind }) => kind === "segment");
    const text = (next === -1 ? after : after.slice(0, next))
      .map((part) => (part.kind === "text" ? part.text : ""))
      .join("");
    const [own = ""] = step.kind === "rest" ? [text] : text.split("/", 1);
    return { ...step, tail: own.length };
  });
}

/** Of a path up to `end`; undefined: it does not match the template. */
export type UriTemplateRewrite = (path: string, end?: number) => string | undefined;

const rewriteText = /^[\w\-.~%!$&'()+,;:@=*/]+$/;

/** The path that `rewrite` makes of the values of the template's variables. */
export function compileUriTemplateRewrite(
  rewrite: string,
  template: UriTemplate,
): UriTemplateRewrite {
  const wrong = (reason: string): Error =>
    refuse("path_template_rewrite", `${rewrite} is invalid: ${reason}`);
  if (!rewrite.startsWith("/")) throw wrong("Invalid rewrite variable placement");
  if (rewrite.includes("//")) throw wrong("Invalid rewrite literal");
  // A text, then by turns a variable's number and a text.
  const [first = "", ...pieces] = rewrite.split("{");
  const parts: (string | number)[] = [first];
  for (const piece of pieces) {
    const close = piece.indexOf("}");
    if (close === -1) throw wrong("Unmatched variable bracket");
    const name = piece.slice(0, close);
    if (!variableName.test(name)) throw wrong("Invalid variable name");
    const variable = template.variables.indexOf(name);
    if (variable === -1) throw wrong("Nonexisting variable name");
    parts.push(variable, piece.slice(close + 1));
  }
  for (const part of parts)
    if (typeof part === "string" && part !== "" && !rewriteText.test(part))
      throw wrong("Invalid rewrite literal pattern");
  return (path, end = path.length) => {
    if (!template.matches(path, end)) return undefined;
    let out = "";
    for (const part of parts) out += typeof part === "string" ? part : template.valueIn(path, part);
    return out;
  };
}
