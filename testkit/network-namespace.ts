import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { requireDebian } from "./debian.ts";

/** A Linux network namespace: addresses and iptables rules of its own. Who makes it, removes it. Needs root. */
export class NetworkNamespace {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Throws with the reason when the machine cannot: a test without its namespace has proved nothing. */
  static make(name: string): NetworkNamespace {
    requireDebian(["iproute2", "iptables"]);
    try {
      command(["ip", "netns", "add", name]);
    } catch (cause) {
      throw new Error("network namespaces need root and CAP_SYS_ADMIN", { cause });
    }
    const namespace = new NetworkNamespace(name);
    namespace.run(["ip", "link", "set", "lo", "up"]);
    return namespace;
  }

  /** Runs a command in it to its end; returns what it wrote. */
  run(words: readonly string[]): string {
    return command(this.#inside(words));
  }

  spawn(words: readonly string[], options: SpawnOptions): ChildProcess {
    const [program = "", ...rest] = this.#inside(words);
    return spawn(program, rest, options);
  }

  remove(): void {
    command(["ip", "netns", "del", this.name]);
  }

  #inside(words: readonly string[]): readonly string[] {
    return ["ip", "netns", "exec", this.name, ...words];
  }
}

function command([program = "", ...words]: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
