/** A proxy that declines tickets would be measured by handshakes that it was not asked for. */
export function checkResumption(
  output: string,
  { resume, handshakes }: { readonly resume: boolean; readonly handshakes: number },
): void {
  const told = /^resumed (\d+)$/m.exec(output)?.[1];
  if (told === undefined)
    throw new Error(`the generator does not tell what was resumed:\n${output}`);
  const resumed = Number(told);
  const wrong = resume ? resumed < handshakes * 0.9 : resumed > 0;
  if (wrong) throw new Error(`${resumed} of ${handshakes} handshakes were resumed`);
}
