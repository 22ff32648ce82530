/** What a command prints: lines for people, each with who says it. */

export interface Terminal {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Sink {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** Colours of names, none that stands for an error: cyan, magenta, blue, green, and their bright ones. */
const palette = [36, 35, 34, 32, 96, 95, 94, 92];

export class Lines {
  readonly #terminal: Terminal;
  readonly #colors: Map<string, number> = new Map();
  readonly #width: number;

  constructor(terminal: Terminal, names: readonly string[]) {
    this.#terminal = terminal;
    this.#width = Math.max(6, ...names.map((name) => name.length));
    for (const [index, name] of names.entries())
      this.#colors.set(name, palette[index % palette.length] ?? 36);
  }

  /** A program's own line. */
  program(name: string, line: string, stream: "stdout" | "stderr"): void {
    this.#print(this.#terminal[stream], name, line);
  }

  /** What we have to say of it. */
  event(name: string, message: string): void {
    for (const line of message.split("\n")) this.#print(this.#terminal.stderr, name, line);
  }

  #print(sink: Sink, name: string, line: string): void {
    const padded = name.padEnd(this.#width);
    const color = this.#colors.get(name);
    const label =
      color !== undefined && colorful(sink, this.#terminal.environment)
        ? `\u001b[${color}m${padded} |\u001b[0m`
        : `${padded} |`;
    sink.write(`${label} ${line}\n`);
  }
}

/** https://no-color.org, https://force-color.org: asked for, or a terminal that nobody asked to stay plain. */
export function colorful({ isTTY }: Sink, environment: Terminal["environment"]): boolean {
  const { NO_COLOR: no, FORCE_COLOR: force, TERM: term } = environment;
  if (no !== undefined && no !== "") return false;
  if (force !== undefined && force !== "" && force !== "0") return true;
  return isTTY === true && term !== "dumb";
}
