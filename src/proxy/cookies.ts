import type { HeaderList } from "#http/headers.ts";

/** The first cookie of this name in a request's `cookie` fields, without quotes around it; undefined: there is none. */
export function cookieValue(headers: HeaderList, name: string): string | undefined {
  const { list } = headers;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== "cookie") continue;
    const value = valueIn(list[i + 1] ?? "", name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function valueIn(cookies: string, name: string): string | undefined {
  let start = 0;
  while (start < cookies.length) {
    const semicolon = cookies.indexOf(";", start);
    const end = semicolon === -1 ? cookies.length : semicolon;
    while (start < end && cookies.charCodeAt(start) === 0x20) start++;
    const equals = start + name.length;
    // As in Envoy: spaces belong to a name's end and to a value, but not to a name's beginning.
    if (equals < end && cookies.charCodeAt(equals) === 0x3d && cookies.startsWith(name, start))
      return unquoted(cookies.slice(equals + 1, end));
    start = end + 1;
  }
  return undefined;
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"')
    ? value.slice(1, -1)
    : value;
}

export interface CookieParts {
  readonly name: string;
  readonly value: string;
  /** "": none is set. */
  readonly path: string;
  /** 0: until the browser closes. */
  readonly maxAgeSeconds: number;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

/** A `set-cookie` value with Envoy's spelling and order. */
export function setCookieValue(parts: CookieParts): string {
  let text = `${parts.name}="${parts.value}"`;
  if (parts.maxAgeSeconds !== 0) text += `; Max-Age=${parts.maxAgeSeconds}`;
  if (parts.path !== "") text += `; Path=${parts.path}`;
  for (const { name, value } of parts.attributes)
    text += value === "" ? `; ${name}` : `; ${name}=${value}`;
  return `${text}; HttpOnly`;
}
