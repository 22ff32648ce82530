/**
 * Patterns that V8's backtracking engine matches in linear time and as RE2 does, as a RegExp; undefined for any other. Pattern and text
 * are bytes, one character each.
 *
 * Understood are literals, classes, `.`, groups that do not repeat (but may be optional), alternatives, and repeats of one
 * character. Backtracking is bounded because a repeat is allowed only where its end is certain (what follows begins with none of its
 * characters) or where nothing after it repeats without bound, and because the choices besides, multiplied by what is tried again at
 * each place of the text, are a small number. `regex.test.ts` counts the steps.
 */
export function nativeRegex(pattern: string): RegExp | undefined {
  if (pattern.length > patternMax) return undefined;
  const reader = new PatternReader(pattern);
  const parsed = reader.read();
  if (parsed === undefined) return undefined;
  const judged = judge(parsed, { first: none, repeats: false, length: 0, tail: 0 });
  if (judged === undefined || judged.choices * Math.max(judged.tail, 1) > workMax) return undefined;
  return new RegExp(`^${sourceOf(parsed)}$`);
}

const patternMax = 1024;
const boundedRepeatMax = 64;
/** Steps for each character of the text, at most. */
const workMax = 256;
/** V8 keeps a stack of the places to go back to: a longer text could fill it, which throws. */
export const nativeTextMax: number = 16_384;

/** A set of bytes: bit n of the number stands for byte n. */
type CharSet = bigint;

const none: CharSet = 0n;
const every: CharSet = (1n << 256n) - 1n;

interface Chars {
  readonly kind: "chars";
  readonly set: CharSet;
  readonly min: number;
  readonly max: number;
}

interface Group {
  readonly kind: "group";
  readonly branches: readonly Sequence[];
  readonly optional: boolean;
}

type Sequence = readonly (Chars | Group)[];

/** What comes after a node. */
interface Rest {
  /** The characters it may begin with. */
  readonly first: CharSet;
  /** It repeats something without bound. */
  readonly repeats: boolean;
  /** How long it is without those repeats. */
  readonly length: number;
  /** How much of it is tried at each place of the text, because it stands behind a repeat of uncertain end. */
  readonly tail: number;
}

interface Judgement extends Rest {
  /** How many ways there are through what has no certain end. */
  readonly choices: number;
}

/** Undefined: the pattern may take more than linear time. Read from the end, because each part is judged by what follows. */
function judge(group: Group, rest: Rest): Judgement | undefined {
  let first = group.optional ? rest.first : none;
  let { repeats, length, tail } = rest;
  let choices = group.optional ? 1 : 0;
  for (const branch of group.branches) {
    const judged = judgeSequence(branch, rest);
    if (judged === undefined) return undefined;
    first |= judged.first;
    repeats ||= judged.repeats;
    length = Math.max(length, judged.length);
    tail = Math.max(tail, judged.tail);
    choices += judged.choices;
  }
  return { first, repeats, length, tail, choices };
}

function judgeSequence(sequence: Sequence, rest: Rest): Judgement | undefined {
  let { first, repeats, length, tail } = rest;
  let choices = 1;
  for (let i = sequence.length - 1; i >= 0; i--) {
    const item = sequence[i];
    if (item === undefined) continue;
    if (item.kind === "group") {
      const judged = judge(item, { first, repeats, length, tail });
      if (judged === undefined) return undefined;
      ({ first, repeats, length, tail } = judged);
      choices *= judged.choices;
      continue;
    }
    const certain = (item.set & first) === none;
    if (item.max === Number.POSITIVE_INFINITY) {
      if (!certain && repeats) return undefined;
      if (!certain) tail = Math.max(tail, length);
      repeats = true;
      length += item.min;
    } else {
      if (!certain) choices *= item.max - item.min + 1;
      length += item.max;
    }
    first = item.min === 0 ? item.set | first : item.set;
  }
  return { first, repeats, length, tail, choices };
}

/** Written anew from the sets, so that nothing in it can mean another thing to V8 than to RE2. */
function sourceOf(group: Group): string {
  const branches = group.branches.map((branch) =>
    branch
      .map((item) =>
        item.kind === "group" ? sourceOf(item) : classOf(item.set) + quantifierOf(item),
      )
      .join(""),
  );
  return `(?:${branches.join("|")})${group.optional ? "?" : ""}`;
}

function classOf(set: CharSet): string {
  let source = "";
  for (let code = 0; code < 256; code++) {
    if (!has(set, code)) continue;
    let last = code;
    while (has(set, last + 1)) last++;
    source += last === code ? hex(code) : `${hex(code)}-${hex(last)}`;
    code = last;
  }
  return `[${source}]`;
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, "0")}`;
}

function has(set: CharSet, code: number): boolean {
  return code < 256 && ((set >> BigInt(code)) & 1n) === 1n;
}

function quantifierOf({ min, max }: Chars): string {
  if (min === 1 && max === 1) return "";
  return max === Number.POSITIVE_INFINITY ? `{${min},}` : `{${min},${max}}`;
}

function range(from: string, to: string): CharSet {
  let set = none;
  for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) set |= 1n << BigInt(code);
  return set;
}

const one = (char: string): CharSet => range(char, char);
const digits = range("0", "9");
const word = digits | range("a", "z") | range("A", "Z") | one("_");
/** RE2's `\s` has no vertical tab. */
const space = one("\t") | one("\n") | one("\f") | one("\r") | one(" ");

const perlClasses: Readonly<Record<string, CharSet>> = {
  d: digits,
  D: every & ~digits,
  w: word,
  W: every & ~word,
  s: space,
  S: every & ~space,
  t: one("\t"),
  n: one("\n"),
  r: one("\r"),
  f: one("\f"),
};

/** Reads what `nativeRegex` understands; anything else ends the reading. The pattern is known to be good RE2. */
class PatternReader {
  readonly #text: string;
  #at = 0;
  #fold = false;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Group | undefined {
    if (this.#text.startsWith("(?i)")) {
      this.#fold = true;
      this.#at = 4;
    }
    const group = this.#alternatives(0);
    return group !== undefined && this.#at === this.#text.length ? group : undefined;
  }

  #alternatives(depth: number): Group | undefined {
    const branches: Sequence[] = [];
    for (;;) {
      const sequence = this.#sequence(depth);
      if (sequence === undefined) return undefined;
      branches.push(sequence);
      if (!this.#take("|")) return { kind: "group", branches, optional: false };
    }
  }

  #sequence(depth: number): Sequence | undefined {
    const items: (Chars | Group)[] = [];
    // The whole text is matched: an anchor at an end of the pattern says nothing new. Elsewhere it is not understood.
    if (depth === 0) this.#take("^");
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || char === "|" || char === ")") return items;
      if (char === "$" && depth === 0 && this.#atBranchEnd(this.#at + 1)) {
        this.#at++;
        continue;
      }
      const item = char === "(" ? this.#group(depth) : this.#chars();
      if (item === undefined) return undefined;
      items.push(item);
    }
  }

  #atBranchEnd(at: number): boolean {
    return at === this.#text.length || this.#text[at] === "|";
  }

  #group(depth: number): Group | undefined {
    this.#at++;
    if (this.#take("?") && !this.#take(":")) return undefined;
    const inner = this.#alternatives(depth + 1);
    if (inner === undefined || !this.#take(")")) return undefined;
    const optional = this.#take("?");
    if (optional) this.#take("?");
    return "*+{?".includes(this.#text[this.#at] ?? "_") ? undefined : { ...inner, optional };
  }

  #chars(): Chars | undefined {
    const set = this.#set();
    if (set === undefined || set === none) return undefined;
    const repeat = this.#repeat();
    return repeat === undefined ? undefined : { kind: "chars", set: this.#folded(set), ...repeat };
  }

  #folded(set: CharSet): CharSet {
    if (!this.#fold) return set;
    const upper = range("A", "Z");
    const lower = range("a", "z");
    return set | ((set & upper) << 32n) | ((set & lower) >> 32n);
  }

  #set(): CharSet | undefined {
    const char = this.#text[this.#at++] ?? "";
    if (char === "[") return this.#class();
    if (char === "\\") return this.#escape();
    if (char === ".") return every & ~one("\n");
    // A lone "}" or "]" is a literal in RE2, and "{" when it is no repeat: seldom meant, so not understood here.
    return char === "" || "*+?{}]^$".includes(char) ? undefined : one(char);
  }

  #escape(): CharSet | undefined {
    const char = this.#text[this.#at++] ?? "";
    const known = perlClasses[char];
    if (known !== undefined) return known;
    return /^[!-/:-@[-`{-~]$/.test(char) ? one(char) : undefined;
  }

  #class(): CharSet | undefined {
    const negated = this.#take("^");
    let set = none;
    for (let first = true; first || this.#text[this.#at] !== "]"; first = false) {
      const start = this.#classSet();
      if (start === undefined) return undefined;
      if (this.#text[this.#at] !== "-" || this.#text[this.#at + 1] === "]") {
        set |= start.set;
        continue;
      }
      this.#at++;
      const end = this.#classSet();
      if (start.char === undefined || end?.char === undefined) return undefined;
      set |= range(start.char, end.char);
    }
    this.#at++;
    const folded = this.#folded(set);
    return negated ? every & ~folded : folded;
  }

  #classSet(): { readonly set: CharSet; readonly char: string | undefined } | undefined {
    const char = this.#text[this.#at++];
    if (char === undefined || char === "[") return undefined;
    if (char !== "\\") return { set: one(char), char };
    const escaped = this.#text[this.#at] ?? "";
    const set = this.#escape();
    if (set === undefined) return undefined;
    return { set, char: escaped in perlClasses ? undefined : escaped };
  }

  /** A repeat is followed by at most a `?`, which changes which match is found, not whether there is one. */
  #repeat(): { readonly min: number; readonly max: number } | undefined {
    let repeat = { min: 1, max: 1 };
    if (this.#take("*")) repeat = { min: 0, max: Number.POSITIVE_INFINITY };
    else if (this.#take("+")) repeat = { min: 1, max: Number.POSITIVE_INFINITY };
    else if (this.#take("?")) repeat = { min: 0, max: 1 };
    else if (this.#text[this.#at] === "{") {
      // With a leading zero, RE2 reads the braces as text.
      const counted = /^\{(0|[1-9]\d{0,3})(?:(,)(0|[1-9]\d{0,3}|))?\}/.exec(
        this.#text.slice(this.#at, this.#at + 12),
      );
      if (counted === null) return undefined;
      const [whole, low = "", comma, high = ""] = counted;
      const min = Number(low);
      const max = comma === undefined ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
      if (min > boundedRepeatMax || (max > boundedRepeatMax && max !== Number.POSITIVE_INFINITY))
        return undefined;
      repeat = { min, max };
      this.#at += whole.length;
    } else return repeat;
    this.#take("?");
    return "*+{?".includes(this.#text[this.#at] ?? "_") ? undefined : repeat;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}
