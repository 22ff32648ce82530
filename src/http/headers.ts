const internedMax = 4096;
const internedLengthMax = 128;
const interned = new Map<string, string>();

/**
 * One string object per header name, in lower case. Names that are the same object compare by pointer in `get`, and a name's syntax
 * is checked once in its life. Returns undefined when `raw` is not a token (RFC 9110 §5.6.2).
 */
export function internName(raw: string): string | undefined {
  const known = interned.get(raw);
  if (known !== undefined) return known;
  if (!isToken(raw)) return undefined;
  // A property key is an internalised string in V8: comparing two of them is a pointer comparison.
  const name = Object.keys({ [raw.toLowerCase()]: 0 })[0] ?? "";
  // The table must not grow with what strangers send; past its limits, names are made anew each time.
  if (interned.size < internedMax && raw.length <= internedLengthMax) interned.set(raw, name);
  return name;
}

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return tokenPattern.test(text);
}

/**
 * Header or trailer fields in wire order: one flat array of name, value, name, value. Names are lower case; values have no CR, LF
 * or NUL. Typical messages have 5 to 20 fields, for which a linear search beats any map.
 */
export class HeaderList {
  readonly list: string[];

  constructor(list: string[] = []) {
    this.list = list;
  }

  static of(fields: Record<string, string>): HeaderList {
    return new HeaderList(Object.entries(fields).flat());
  }

  get count(): number {
    return this.list.length >> 1;
  }

  /** The first value of the field, or undefined. `name` in lower case. */
  get(name: string): string | undefined {
    const list = this.list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
    return undefined;
  }

  has(name: string): boolean {
    const list = this.list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
    return false;
  }

  /** Every value of the field, in order. */
  getAll(name: string): string[] {
    const values: string[] = [];
    const list = this.list;
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) values.push(list[i + 1] ?? "");
    return values;
  }

  /** Append a field; does not look whether it is there already. */
  add(name: string, value: string): void {
    this.list.push(name, value);
  }

  /** Replace the first occurrence in place and drop the others; append when absent. */
  set(name: string, value: string): void {
    const list = this.list;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue;
      list[i + 1] = value;
      this.#removeFrom(name, i + 2);
      return;
    }
    list.push(name, value);
  }

  /** Returns whether the field was there. */
  remove(name: string): boolean {
    return this.#removeFrom(name, 0);
  }

  /** Drop every field for which `drop` holds. */
  removeIf(drop: (name: string, value: string) => boolean): void {
    const list = this.list;
    let kept = 0;
    for (let i = 0; i < list.length; i += 2) {
      const name = list[i] ?? "";
      const value = list[i + 1] ?? "";
      if (drop(name, value)) continue;
      list[kept] = name;
      list[kept + 1] = value;
      kept += 2;
    }
    list.length = kept;
  }

  copy(): HeaderList {
    return new HeaderList(this.list.slice());
  }

  *[Symbol.iterator](): Generator<[string, string]> {
    for (let i = 0; i < this.list.length; i += 2)
      yield [this.list[i] ?? "", this.list[i + 1] ?? ""];
  }

  /** Bytes of the fields as HTTP/1 writes them: name, ": ", value, CRLF. */
  byteSize(): number {
    let size = 0;
    for (const text of this.list) size += text.length + 2;
    return size;
  }

  #removeFrom(name: string, start: number): boolean {
    const list = this.list;
    let kept = start;
    while (kept < list.length && list[kept] !== name) kept += 2;
    // The common case: writing a length costs more than the search, even when it stays the same.
    if (kept >= list.length) return false;
    for (let i = kept + 2; i < list.length; i += 2) {
      if (list[i] === name) continue;
      list[kept] = list[i] as string;
      list[kept + 1] = list[i + 1] as string;
      kept += 2;
    }
    list.length = kept;
    return true;
  }
}
