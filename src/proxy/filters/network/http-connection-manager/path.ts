import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Services } from "../../../services.ts";
import type { PathOutcome } from "./settings.ts";

type PathConfig = Pick<
  HttpConnectionManagerJson,
  "normalizePath" | "mergeSlashes" | "pathWithEscapedSlashesAction"
>;

type EscapedSlashes = "keep" | "reject" | "redirect" | "forward";

const rejected: PathOutcome = { reject: true };

// A path in which none of these occurs is already what every policy would make of it.
const worthALook = /[#%\\"<>^`{|}]|\/[./]/;

/**
 * Envoy's order: fragment, escaped slashes, normalisation, merged slashes; a redirect names the path after all of them. Queries are
 * never touched.
 */
export function compilePathPolicy(
  config: PathConfig,
  services: Pick<Services, "runtime">,
): (path: string) => PathOutcome {
  const normalize =
    config.normalizePath ??
    services.runtime.boolean("http_connection_manager.normalize_path", false);
  const merge = config.mergeSlashes === true;
  const escapedSlashes = compileEscapedSlashes(config.pathWithEscapedSlashesAction);
  return (whole) => {
    if (!worthALook.test(whole)) return { path: whole };
    // A fragment is never sent (RFC 9110 §7.1); who sends one hopes that two parsers disagree.
    if (whole.includes("#")) return rejected;
    const query = whole.indexOf("?");
    let path = query < 0 ? whole : whole.slice(0, query);
    let redirect = false;
    if (escapedSlashes !== "keep" && escapedSlash.test(path)) {
      if (escapedSlashes === "reject") return rejected;
      redirect = escapedSlashes === "redirect";
      path = path.replace(everyEscapedSlash, (found) => (found[1] === "2" ? "/" : "\\"));
    }
    if (normalize) {
      const normalized = normalizePath(path);
      if (normalized === undefined) return rejected;
      path = normalized;
    }
    if (merge && path.includes("//")) path = mergeSlashes(path);
    const result = query < 0 ? path : path + whole.slice(query);
    return redirect ? { redirect: result } : { path: result };
  };
}

function compileEscapedSlashes(action: PathConfig["pathWithEscapedSlashesAction"]): EscapedSlashes {
  switch (action) {
    case undefined:
    case "IMPLEMENTATION_SPECIFIC_DEFAULT":
    case "KEEP_UNCHANGED":
      return "keep";
    case "REJECT_REQUEST":
      return "reject";
    case "UNESCAPE_AND_REDIRECT":
      return "redirect";
    case "UNESCAPE_AND_FORWARD":
      return "forward";
    default:
      throw refuse("path_with_escaped_slashes_action", `unknown action ${String(action)}`);
  }
}

const escapedSlash = /%2f|%5c/i;
const everyEscapedSlash = /%2f|%5c/gi;
const changedByEscaping = /[%\\"<>^`{|}]/;

/** undefined: the path holds an encoded NUL. */
function normalizePath(path: string): string | undefined {
  let clean = path;
  if (changedByEscaping.test(path)) {
    if (path.includes("%00")) return undefined;
    clean = path
      .replaceAll("\\", "/")
      .replace(/%[0-9a-fA-F]{2}/g, decodeUnreserved)
      .replace(/["<>^`{|}]/g, encode);
  }
  return clean.includes("/.") ? removeDotSegments(clean) : clean;
}

/** RFC 3986 §2.3: an escape of an unreserved character means the character itself; any other stays as it is written. */
function decodeUnreserved(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : encoded;
}

function encode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** RFC 3986 §5.2.4, where an empty segment is a segment: `/a//../b` is `/a/b`. */
function removeDotSegments(path: string): string {
  const segments = path.split("/");
  const kept: string[] = [];
  // The first is what stands before the leading slash: nothing.
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] ?? "";
    const last = i === segments.length - 1;
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
    // A dot segment at the end leaves its slash.
    if (last && (segment === "." || segment === "..")) kept.push("");
  }
  return `/${kept.join("/")}`;
}

/** Only slashes become two, not one: Envoy puts a slash before and one behind the segments that are left. */
function mergeSlashes(path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "");
  return `/${segments.join("/")}${path.endsWith("/") ? "/" : ""}`;
}
