/** The repository as text, and just enough of TypeScript's grammar to look at it. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Repository-relative path to text. */
export type Tree = ReadonlyMap<string, string>;

/** One broken rule; `line` counts from 1. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const patterns = [
  "*.{md,json}",
  ".ci/run",
  "bin/*",
  "{src,testkit,tests,tools,bench}/**/*.{ts,mjs,md,yaml,json}",
  "docs/**/*.md",
  "samples/**/*.{md,yaml,json}",
];
const skipped = /^(?:src\/gen\/|node_modules\/|package-lock\.json$)|(?:^|\/)testdata\//;

export function readTree(root: string): Tree {
  const paths = globSync(patterns, { cwd: root, exclude: ["**/node_modules", "src/gen"] })
    .filter((path) => !skipped.test(path))
    .sort();
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

export const isTest = (path: string): boolean => /\.(?:test|fuzz)\.ts$/.test(path);

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) {
    line += 1;
  }
  return line;
}

// One alternative a token kind; a quote inside a comment, or a comment inside a string, belongs to the outer one.
const tokens =
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<template>`(?:[^`\\]|\\[\s\S])*`)|(?<regex>(?<=[(,=:[!&|?{};]\s*|return\s)\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*)/g;

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** The text with comments blanked, offsets and lines kept. */
export function withoutComments(text: string): string {
  return text.replace(tokens, (token, comment: string | undefined) =>
    comment === undefined ? token : blank(token),
  );
}

/** The text with comments, strings and regular expressions blanked; `${…}` in a template stays code. */
export function codeOnly(text: string): string {
  return text.replace(tokens, (token) =>
    token.startsWith("`")
      ? token.replace(/(\$\{[^{}]*\})|[^\n]/g, (part, code: string | undefined) =>
          code === undefined ? blank(part) : code,
        )
      : blank(token),
  );
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

const importStatement =
  /\b(?:import|export)\s+(?:type\s)?(?:[\w*${}\s,]*?\bfrom\s*)?"(?<from>[^"\n]+)"|\bimport\(\s*"(?<dynamic>[^"\n]+)"\s*\)/g;

export function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  return [...code.matchAll(importStatement)].map((match) => ({
    specifier: match.groups?.["from"] ?? match.groups?.["dynamic"] ?? "",
    line: lineAt(text, match.index),
  }));
}
