export async function runProxy(_argv: readonly string[]): Promise<number> {
  process.stderr.write("heddle proxy: not wired yet\n");
  return 1;
}
