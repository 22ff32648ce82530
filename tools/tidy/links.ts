/** Relative links of the documents lead to files and headings that exist. */
import { posix } from "node:path";
import { lineAt, type Tree, type Violation } from "./source.ts";

const link = /\[[^\]\n]*\]\((?<target>[^)\s]+)\)/g;

export function linkViolations(
  tree: Tree,
  exists: (path: string) => boolean,
): readonly Violation[] {
  const violations: Violation[] = [];
  for (const [path, text] of tree) {
    if (!path.endsWith(".md")) {
      continue;
    }
    for (const { groups, index } of withoutCode(text).matchAll(link)) {
      const target = groups?.["target"] ?? "";
      const message = linkProblem({ tree, exists, path, target });
      if (message !== undefined) {
        violations.push({ path, line: lineAt(text, index), message });
      }
    }
  }
  return violations;
}

interface Link {
  readonly tree: Tree;
  readonly exists: (path: string) => boolean;
  readonly path: string;
  readonly target: string;
}

function linkProblem({ tree, exists, path, target }: Link): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) {
    return undefined;
  }
  const [file = "", anchor] = target.split("#");
  const page = file === "" ? path : posix.join(posix.dirname(path), file);
  if (!exists(page)) {
    return `${target}: no such file`;
  }
  const text = tree.get(page);
  if (anchor !== undefined && text !== undefined && !anchors(text).has(anchor)) {
    return `${target}: no such heading`;
  }
  return undefined;
}

function anchors(text: string): ReadonlySet<string> {
  const headings = withoutCode(text).matchAll(/^#+ +(?<title>.+?) *$/gm);
  return new Set([...headings].map(({ groups }) => slug(groups?.["title"] ?? "")));
}

/** As GitHub makes them. */
function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}

const withoutCode = (text: string): string =>
  text.replace(/^```[\s\S]*?^```/gm, (code) => code.replace(/[^\n]/g, " "));
