/** Files that nothing needs: what no command, script or test leads to. */
import { posix } from "node:path";
import { isTest, type Tree, type Violation, withoutComments } from "./source.ts";

/** What the control plane and other programs call: reached although no command of ours uses all of it. */
const libraries: readonly string[] = [
  "src/grpc/channel.ts",
  "src/grpc/handlers.ts",
  "src/grpc/server.ts",
];

/**
 * Product code must be reached from src/main without passing through a test: code that only its own test calls is
 * dead. Everything else may also be reached from a test or from a script of package.json.
 */
export function deadFiles(tree: Tree): readonly Violation[] {
  const paths = [...tree.keys()].filter((path) => /\.(?:ts|mjs)$/.test(path));
  const scripts = `${tree.get("package.json") ?? ""}${tree.get(".ci/run") ?? ""}`;
  const product = reachable(
    tree,
    paths.filter(
      (path) => libraries.includes(path) || (path.startsWith("src/main/") && !isTest(path)),
    ),
  );
  const all = reachable(
    tree,
    paths.filter(
      (path) =>
        product.has(path) ||
        isTest(path) ||
        scripts.includes(path) ||
        // Programs of their own, which a heddle.yaml starts.
        path.startsWith("samples/"),
    ),
  );
  return paths
    .filter((path) => !isTest(path) && !path.endsWith(".d.ts"))
    .filter((path) => !(path.startsWith("src/") ? product : all).has(path))
    .map((path) => ({
      path,
      line: 1,
      message: all.has(path) ? "only tests lead here" : "nothing leads here",
    }));
}

function reachable(tree: Tree, roots: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const pending = [...roots];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (!seen.has(path)) {
      seen.add(path);
      pending.push(...referencesOf(tree, path));
    }
  }
  return seen;
}

// Any string that names a file counts, not imports alone: workers are started by URL.
const reference = /["'`](?<name>[#.\w-][\w./-]*\.(?:ts|mjs))["'`]/g;

function referencesOf(tree: Tree, path: string): readonly string[] {
  const names = withoutComments(tree.get(path) ?? "").matchAll(reference);
  return [...names].flatMap(({ groups }) => {
    const name = groups?.["name"] ?? "";
    const candidates = name.startsWith("#")
      ? [`src/${name.slice(1)}`]
      : [posix.join(posix.dirname(path), name), name];
    return candidates.filter((candidate) => tree.has(candidate));
  });
}
